"""Export to a Python file that needs only torch."""
