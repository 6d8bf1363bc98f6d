"""How goods are offered: the show floor's regular sales, and flash sales."""
