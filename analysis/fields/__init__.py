"""Receptive fields of all layers of a graph, in closed form. Imports `blocks` only; free of torch."""
