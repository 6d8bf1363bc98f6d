"""The live show: its schedule, the numbered bag, the pinned item."""
