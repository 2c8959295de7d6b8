"""The reference of the spec language, generated from the registry, docstrings and expressions of blocks."""
