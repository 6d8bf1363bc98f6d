"""Who is calling: signed tokens, the session cookie's name, passwords, and the one secret key."""
