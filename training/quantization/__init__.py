"""Quantization in torch, as an engine computes: folded norms, calibration, int8 simulation for training."""
