"""A seeded sale in a world that breaks, heals, and then owes everybody an answer."""
