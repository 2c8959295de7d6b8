"""The first operators run patch by patch: what a patch reads, what it needs, and which cut needs the least."""
