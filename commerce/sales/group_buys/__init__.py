"""Group buys: a team of N within a time buys together, at a price of its own."""
