"""Look back in a room's chat: search it, and take it along."""
