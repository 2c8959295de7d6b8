"""Exported files: their network, format, checks and card."""
