"""The event-driven engine: read `engine.py` first, it is the block diagram."""
