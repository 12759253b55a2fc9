"""One part at a time, in milliseconds."""
