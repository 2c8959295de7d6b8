"""Export to ONNX, in float32 or int8."""
