"""Comparison of networks: totals, aligned layers, limits on changes."""
