"""Labeled images: sources, splits, augmentation, batching and normalization."""
