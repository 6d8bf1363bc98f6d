"""Serve a crowd in different ways; each is a program that obeys the same commands on stdin."""
