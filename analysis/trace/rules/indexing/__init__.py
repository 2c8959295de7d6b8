"""Rules for operations that read or write elements by index."""
