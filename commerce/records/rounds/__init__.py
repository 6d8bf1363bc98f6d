"""A job's rounds over rows that are due, each apart from the others."""
