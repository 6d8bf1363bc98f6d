"""Products and their variants: what can be put into a bag."""
