"""The crowd: what it says, and who keeps order."""
