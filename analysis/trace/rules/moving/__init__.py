"""Rules for operations that move, choose or join elements without computing."""
