"""Prices: which one holds, what an order costs in all its parts, and what was asked before."""
