"""A run from its first line to its card: options, files, resumption, publication."""
