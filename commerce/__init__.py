"""The business of Hubbub: what is sold, to whom, and what was promised.

It knows no HTTP and no WebSocket; `server` carries its answers to people.
"""
