"""Chat lines as they are kept, and the acts of those who keep order."""
