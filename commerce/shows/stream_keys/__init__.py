"""Stream keys: how a host's own program publishes into the room."""
