"""The drawing of a network: its blocks as boxes that open, laid out row by row."""
