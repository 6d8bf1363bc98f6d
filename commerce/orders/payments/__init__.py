"""Payments: what a provider says about money, and what we owe the provider."""
