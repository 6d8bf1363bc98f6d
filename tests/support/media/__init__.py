"""Clients of live video: publishers, viewers that count, verifiers that decode, loss, pages."""
