"""Carts: units of several sales of one room, all of them or none."""
