"""Count who is here, across processes."""
