"""The kinds of RAM that are told of an engine, apart so that a spec can name them without loading the rest."""

SRAM = ("live", "ordered", "tflm", "planned", "patched")
