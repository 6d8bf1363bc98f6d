"""The media process: a forwarder, who is in it, and how gateways steer it."""
