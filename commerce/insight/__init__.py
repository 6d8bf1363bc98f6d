"""Measuring: every figure here is a query over the live tables."""
