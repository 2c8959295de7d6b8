"""Lowering of a layer graph to the operators that LiteRT-Micro runs."""
