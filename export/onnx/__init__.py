"""The network as an ONNX file, in float32 or int8."""
