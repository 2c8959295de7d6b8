"""The .tflite file: operators, weights, ranges of int8, plans."""
