"""Matplotlib figures of a report."""
