"""Latency on this machine: engines, timing, and profiles of operators."""
