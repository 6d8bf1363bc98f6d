"""Change the rules in every small way, and see whether a unit test notices."""
