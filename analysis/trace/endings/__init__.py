"""Finishing a trace: ids of nodes, owners of weights, and where the trace stopped."""
