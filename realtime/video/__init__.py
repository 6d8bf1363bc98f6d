"""Live video: one publisher a room, forwarded to its viewers without decoding."""
