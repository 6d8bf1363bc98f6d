"""Measure the fan-out: frames a second and core that reach a room, next to other ways to do it."""
