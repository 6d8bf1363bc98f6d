"""Speak the wire contract: messages, frames, error codes and close codes.

Everything in this package is pure: bytes and values in, bytes and values out.
"""
