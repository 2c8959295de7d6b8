"""Conversion of a PyTorch network to a spec, with its weights."""
