"""Meet the clients: handshakes, sessions, sockets, and the pace at which each can be served."""
