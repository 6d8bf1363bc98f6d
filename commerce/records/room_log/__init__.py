"""The room's log: must-deliver events with a gapless offset."""
