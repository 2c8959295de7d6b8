"""Other input sizes: which ones run, and how to cut an image into tiles. No torch."""
