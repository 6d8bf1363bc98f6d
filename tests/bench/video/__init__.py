"""What live video costs: viewers a core, next to aiortc's own relay, delays, and loss."""
