"""A network as a .tflite file, in float32 or int8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from fieldspec.analysis.inference.engine import EngineReport
from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.export.engines.arrays import Pixels
from fieldspec.export.litert.metadata import with_metadata
from fieldspec.export.litert.model_file import tensor_names, write_model
from fieldspec.export.litert.quantization import quantize
from fieldspec.export.litert.ranges import Observer, assumed_ranges, observed_ranges
from fieldspec.training.quantization.correction import corrected_biases
from fieldspec.training.quantization.equalization import equalized, equalizing_factors
from fieldspec.training.quantization.folding import OperatorWeights, folded_weights
from fieldspec.training.quantization.ranges import Range
from fieldspec.training.quantization.record import Int8Record


def float_tflite(report: EngineReport, net: nn.Module, said: Mapping[str, Any]) -> bytes:
    """The network in float32: what PyTorch computes, with norms folded and activations fused."""
    lowered = report.lowered
    return with_metadata(write_model(lowered, folded_weights(lowered, net), report.name), said, lowered)


def int8_tflite(
    report: EngineReport,
    net: nn.Module,
    said: Mapping[str, Any],
    *,
    images: Pixels | None = None,
    record: Int8Record | None = None,
    planned: bool = False,
) -> bytes:
    """The network in int8, input and output as well.

    Args:
        report: On the engine.
        net: In eval mode.
        said: Of the network, for the file.
        images: That show the ranges; without any they are assumed, and only sizes are true.
        record: What training in int8 has learned, which is taken as it is.
        planned: Write the best order and offsets into the file.
    """
    lowered = report.lowered
    plan = report.plan if planned else None
    order = plan.order if plan else None
    with torch.no_grad():
        weights = folded_weights(lowered, net)
        if record is not None:
            weights = equalized(lowered, weights, record.factors)
            ranges = dict(zip(tensor_names(lowered), record.ranges, strict=True))
        elif images is not None:
            weights, ranges = calibrated(lowered, weights, images)
        else:
            ranges = assumed_ranges(lowered)
    return with_metadata(quantize(write_model(lowered, weights, report.name, order), ranges), said, lowered, plan)


def calibrated(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], images: Pixels, *, method: str = "mse"
) -> tuple[dict[int, OperatorWeights], dict[str, Range]]:
    """Weights that lose less in int8, and the range of each tensor by its name.

    Channels that share a scale are first brought to one range, which changes nothing in float; each tensor's range is
    then the part of what the images show that loses least; biases take back what rounding shifts.

    Args:
        lowered: The operators.
        weights: Of each that has some, by its place.
        images: That show the ranges.
        method: Of `observed_ranges`.
    """
    observer = Observer(write_model(lowered, weights, "net"))
    observer.see(images, range(len(lowered.shapes)))
    extents = {tensor: torch.from_numpy(extent) for tensor, extent in observer.extents.items()}
    even = equalized(lowered, weights, equalizing_factors(lowered, weights, extents))
    ranges = observed_ranges(lowered, write_model(lowered, even, "net"), images, method=method)
    return corrected_biases(lowered, even, list(ranges.values()), torch.from_numpy(images)), ranges
