"""Prices over time: what was asked before, and whether a new price is meant."""
