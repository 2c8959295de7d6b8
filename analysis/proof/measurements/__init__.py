"""Measurements of a module with torch itself: counts, memory, support of gradients."""
