"""LiteRT's interpreter for .tflite files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from fieldspec.export.engines.arrays import Pixels, channels_last_batch
from fieldspec.export.engines.standard_error import captured_standard_error


class LiteRT:
    """Runs a .tflite file in LiteRT's interpreter.

    Args:
        model: The file's bytes.
        exact: Whether to use the reference kernels, which compute int8 as LiteRT-Micro does, instead of the fast ones.
    """

    def __init__(self, model: bytes, *, exact: bool = False, threads: int = 1) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        fast = [
            OpResolverType.AUTO,
            plain,
        ]  # XNNPACK cannot add two tensors whose scales differ by a factor of a thousand
        for kernels in [OpResolverType.BUILTIN_REF] if exact else fast:
            with captured_standard_error():  # the kernels it chooses
                self.interpreter = Interpreter(
                    model_content=model, num_threads=threads, experimental_op_resolver_type=kernels
                )
                try:
                    self.interpreter.allocate_tensors()
                except RuntimeError:
                    if kernels is not OpResolverType.AUTO:
                        raise
                else:
                    break
        self.inputs: dict[str, Any] = self.interpreter.get_input_details()[0]
        self.outputs: Sequence[dict[str, Any]] = self.interpreter.get_output_details()

    def __call__(self, images: Pixels) -> npt.NDArray[np.float32]:
        """(images, channels, height, width) -> (images, classes), or (images, channels, height, width)."""
        return np.concatenate([self.all_outputs(image)[0] for image in images])

    def all_outputs(self, image: Pixels) -> list[npt.NDArray[np.float32]]:
        """Run one image, (channels, height, width) -> each output, channels first with a batch of 1."""
        given = to_integers(channels_last_batch(image, self.inputs["shape"]), self.inputs)
        found = [to_floats(values, one) for values, one in zip(self.run(given), self.outputs, strict=True)]
        return [np.moveaxis(one, -1, 1) for one in found]

    def run(self, given: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Run an input with the file's dtype, channels last with a batch of 1 -> each output in the same form."""
        self.interpreter.set_tensor(self.inputs["index"], given)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(one["index"]) for one in self.outputs]


def to_integers(values: npt.NDArray[np.float32], details: dict[str, Any]) -> npt.NDArray[Any]:
    """Quantize with a tensor's scale and zero point; unchanged for float tensors."""
    scale, zero = details["quantization"]
    if details["dtype"] != np.int8:
        return values.astype(np.float32)
    rounded: npt.NDArray[np.int8] = np.clip(np.round(values / scale) + zero, -128, 127).astype(np.int8)
    return rounded


def to_floats(values: npt.NDArray[Any], details: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Dequantize with a tensor's scale and zero point."""
    scale, zero = details["quantization"]
    if values.dtype != np.int8:
        return values.astype(np.float32)
    stood_for: npt.NDArray[np.float32] = ((values.astype(np.float32) - zero) * scale).astype(np.float32)
    return stood_for
