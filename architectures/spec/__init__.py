"""Specs: loaded, checked as a whole, expanded to blocks, written back. Free of torch."""
