"""Fitting: the smallest changes to a closed spec that meet other constraints."""
