"""Exact search by dynamic programming over the interfaces between the parts of a network in series."""
