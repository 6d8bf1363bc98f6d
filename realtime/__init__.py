"""Carry live rooms: connections, lanes, chat, likes and presence.

Nothing here knows SQL, prices or HTTP routes; business values pass through as opaque JSON.
"""
