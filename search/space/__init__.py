"""The space of an open spec: its parts in series, and the effect of each part on the interface before it."""
