"""Latency of a network on a machine, predicted by a model of its operators. Free of torch."""
