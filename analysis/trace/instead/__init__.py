"""Replacements for torch functions, so that they are recorded as one operation or run without values."""
