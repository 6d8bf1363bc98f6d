"""Draw, sound and encode the clip that a demo shop shows while it has no camera."""
