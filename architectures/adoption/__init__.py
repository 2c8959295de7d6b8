"""From a PyTorch network to a spec, and its weights along with it."""
