"""Live shows onto the disk, and what a viewer gets of them afterwards."""
