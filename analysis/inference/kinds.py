"""The RAM conventions of an engine's report, in a module of their own so that a spec can name them cheaply."""

SRAM = ("live", "ordered", "tflm", "planned", "patched")
