"""Coupons: money off an order, claimed in a room at a set moment."""
