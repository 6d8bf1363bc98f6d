"""The lobby: every room with what is on, what comes next, and the next true event."""
