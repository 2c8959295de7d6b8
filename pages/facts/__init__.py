"""The content of a page about a network, as plain data."""
