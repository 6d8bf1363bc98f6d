"""Serve the tests: real servers, throw-away databases, the real program, a browser."""
