"""The reference of the language, written from the registry, the docstrings of the blocks and their expressions."""
