"""Other input sizes: which ones run, and how to split an image into tiles. Free of torch."""
