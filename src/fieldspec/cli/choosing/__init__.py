"""The commands that choose networks."""
