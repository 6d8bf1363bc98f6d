"""What every promise needs: the log of what a room must see."""
