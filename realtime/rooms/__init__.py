"""Hold the rooms of one process: who is in them, what they must see, and what they see next."""
