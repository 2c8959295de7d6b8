"""Commands that use engines: bench, export."""
