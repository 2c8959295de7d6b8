"""Commands that choose networks: fit, search."""
