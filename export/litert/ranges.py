"""Calibration: the range of each tensor on images, run in LiteRT."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.export.engines.arrays import Pixels, channels_last_batch
from fieldspec.export.litert.model_file import tensor_names
from fieldspec.training.quantization.ranges import Range, least_squares_range, united


class Observer:
    """Runs a float model on images and samples the values of every tensor."""

    def __init__(self, model: bytes, *, kept: int = 2048) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that all tensors are kept, which is intended
            self.interpreter = Interpreter(
                model_content=model,
                experimental_preserve_all_tensors=True,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                num_threads=1,
            )
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.kept = kept
        self.chance = np.random.default_rng(0)
        self.extremes: dict[int, Range] = {}
        self.samples: dict[int, list[npt.NDArray[np.float32]]] = {}
        self.extents: dict[int, npt.NDArray[np.float64]] = {}  # largest magnitude of each channel

    def see(self, images: Pixels, tensors: Iterable[int]) -> None:
        """Run the model on each image."""
        tensors = list(tensors)
        for image in images:
            self.interpreter.set_tensor(self.input["index"], channels_last_batch(image, self.input["shape"]))
            self.interpreter.invoke()
            for tensor in tensors:
                whole = self.interpreter.get_tensor(tensor)
                extent = np.abs(whole).max(axis=tuple(range(whole.ndim - 1))).astype(np.float64)
                self.extents[tensor] = np.maximum(self.extents.get(tensor, extent), extent)
                values = whole.ravel()
                low, high = self.extremes.get(tensor, (0.0, 0.0))  # every range contains zero
                self.extremes[tensor] = (min(low, float(values.min())), max(high, float(values.max())))
                few = values if values.size <= self.kept else self.chance.choice(values, self.kept)
                self.samples.setdefault(tensor, []).append(few)


def observed_ranges(lowered: Lowered, model: bytes, images: Pixels, *, method: str = "mse") -> dict[str, Range]:
    """Compute the range of each tensor, by name.

    Args:
        lowered: The lowered network of the model.
        model: The float32 model.
        images: The calibration images.
        method: `minmax` for all observed values; `mse` for the part with the least squared error in int8.
    """
    observer = Observer(model)
    observer.see(images, range(len(lowered.shapes)))
    found = []
    for tensor in range(len(lowered.shapes)):
        extremes = observer.extremes[tensor]
        if method == "mse":
            found.append(least_squares_range(np.concatenate(observer.samples[tensor]), extremes))
        else:
            found.append(extremes)
    return dict(zip(tensor_names(lowered), united(lowered, found), strict=True))


def assumed_ranges(lowered: Lowered) -> dict[str, Range]:
    """Arbitrary ranges without images, enough to write an int8 file of the right size."""
    return dict.fromkeys(tensor_names(lowered), (-4.0, 4.0))


def as_statistics(ranges: Mapping[str, Range]) -> dict[str, dict[str, npt.NDArray[np.float32]]]:
    """Convert ranges to the quantizer's calibration statistics."""
    return {
        name: {
            "min": np.full((1, 1, 1, 1), low, np.float32),
            "max": np.full((1, 1, 1, 1), high, np.float32),
            "num_samples": np.array(1),
        }
        for name, (low, high) in ranges.items()
    }
