"""Refunds: money and goods that a person gives back and takes back, in part or whole."""
