"""The people: who they are and how they come in."""
