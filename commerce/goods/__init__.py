"""What we have: the catalogue, and the stock that can be promised."""
