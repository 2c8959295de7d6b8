"""The commands that take a network to an engine: bench times it, export writes its file."""
