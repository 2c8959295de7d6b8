"""ONNX Runtime: what an ONNX file answers."""

from __future__ import annotations

from fieldspec.export.engines.arrays import Answers, Pixels


class OnnxRuntime:
    """An ONNX file in ONNX Runtime, on the CPU.

    Args:
        model: The file's bytes.
        batch: Images at a time.
    """

    def __init__(self, model: bytes, *, batch: int = 100) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.batch = batch

    def __call__(self, images: Pixels) -> Answers:
        """(images, channels, height, width) -> (images, classes), or a map each."""
        import numpy as np

        parts = [images[at : at + self.batch] for at in range(0, len(images), self.batch)]
        answers: Answers = np.concatenate([self.session.run(["output"], {"input": part})[0] for part in parts])
        return answers
