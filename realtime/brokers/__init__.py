"""Carry bytes between processes, and count across them."""
