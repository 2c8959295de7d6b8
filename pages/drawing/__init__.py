"""Drawings of networks: blocks as boxes that can be opened, laid out in rows."""
