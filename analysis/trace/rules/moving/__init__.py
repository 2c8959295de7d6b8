"""Rules for operations that move, select or join elements without computing."""
