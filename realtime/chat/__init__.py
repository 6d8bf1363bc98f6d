"""Let viewers talk: what may be said, how much of it is carried, and that all of it is kept."""
