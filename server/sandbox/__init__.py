"""A pretend payment provider that says so: own page, own tables, own webhooks; no real money."""
