"""Effective receptive fields: path counts without torch, gradients with torch, and pictures of both."""
