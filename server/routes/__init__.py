"""HTTP: each route is at most decode, call, encode."""
