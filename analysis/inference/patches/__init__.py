"""Patch-based execution of the first operators: what a patch reads and needs, and which cut needs the least RAM."""
