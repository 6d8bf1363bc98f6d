"""Bring a client or a process from where it was to where the room is."""
