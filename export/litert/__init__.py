"""Writing of .tflite files: operators, weights, int8 quantization, memory plans."""
