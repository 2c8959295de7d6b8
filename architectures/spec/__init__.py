"""The spec: loaded, checked as a whole, expanded to blocks, written back. No torch."""
