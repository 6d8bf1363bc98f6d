"""How often a sale's button was pressed, and what it answered."""
