"""A room's picture kept on disk as it came: no frame is decoded or encoded."""
