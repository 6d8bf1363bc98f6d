"""Which shows were recorded, from when to when, and what was explained at which place of them."""
