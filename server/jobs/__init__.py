"""The worker's jobs: each does one thing, can run twice at once, and may be late."""
