"""Evaluation of trained networks: metrics, predictions, and their plots."""
