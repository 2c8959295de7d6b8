"""The receptive field of every layer of a graph, in closed form. Imports `blocks` only; no torch."""
