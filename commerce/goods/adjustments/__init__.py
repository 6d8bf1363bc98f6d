"""Adjustments: restocking, shrinkage and corrections, each with its reason."""
