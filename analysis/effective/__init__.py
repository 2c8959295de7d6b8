"""Effective receptive fields: path counts without torch, gradients with torch, and plots of both."""
