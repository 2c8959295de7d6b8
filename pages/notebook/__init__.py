"""Notebook representations of specs, reports, differences and networks."""
