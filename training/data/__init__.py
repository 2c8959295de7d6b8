"""Labelled images: where they come from, how they are augmented, batched and normalized."""
