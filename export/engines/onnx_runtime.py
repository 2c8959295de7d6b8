"""ONNX Runtime for ONNX files."""

from __future__ import annotations

from fieldspec.export.engines.arrays import Answers, Pixels


class OnnxRuntime:
    """Runs an ONNX file in ONNX Runtime, on the CPU.

    Args:
        model: The file's bytes.
        batch: Number of images per batch.
    """

    def __init__(self, model: bytes, *, batch: int = 100) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # only errors
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.batch = batch

    def __call__(self, images: Pixels) -> Answers:
        """(images, channels, height, width) -> (images, classes), or maps."""
        import numpy as np

        parts = [images[at : at + self.batch] for at in range(0, len(images), self.batch)]
        answers: Answers = np.concatenate([self.session.run(["output"], {"input": part})[0] for part in parts])
        return answers
