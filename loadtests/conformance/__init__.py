"""Check any Hubbub address against the wire contract, from outside.

Invariant: only the public contract is used (HTTP and WebSocket); nothing of the server is imported.
"""
