"""The space of an open spec: its parts in series, and what each part does to whatever stands before it."""
