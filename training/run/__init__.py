"""A training run: its files, resumption, final evaluation, several seeds, publication."""
