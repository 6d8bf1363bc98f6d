"""Reconciliation: our payments against what their providers say of them."""
