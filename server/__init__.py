"""Composition and operation: the only package that knows both commerce and realtime."""
