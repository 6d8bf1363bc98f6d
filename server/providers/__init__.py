"""Payment providers over HTTP: what the shop knows of the world of money."""
