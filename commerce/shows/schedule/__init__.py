"""Rooms and the shows in them: who may command one, and from which state to which."""
