"""What happened in a show, for whoever watches it later: its events and its chat."""
