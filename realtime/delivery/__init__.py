"""Measure delivery: ask a sample of viewers when they drew each sale event, and keep the counts."""
