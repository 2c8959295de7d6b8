"""Export of a network to a .tflite file, in float32 or int8."""

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
    """Export to float32, with norms folded and activations fused."""
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
    """Export to int8, including input and output.

    Args:
        report: The network's report for the engine.
        net: The network, in eval mode.
        said: The metadata for the file.
        images: The calibration images; without any, ranges are assumed, and only sizes are correct.
        record: The record of int8 training, used without further calibration.
        planned: Whether to write the best operator order and offsets into the file.
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
    """Prepare weights for int8, and compute the range of each tensor, by name.

    Channels that share a scale are first equalized, which does not change the float network; then each tensor's range
    is calibrated on the images; finally biases are corrected for the shift that rounding causes.

    Args:
        lowered: The lowered network.
        weights: Weights by operator index.
        images: The calibration images.
        method: The method of `observed_ranges`.
    """
    observer = Observer(write_model(lowered, weights, "net"))
    observer.see(images, range(len(lowered.shapes)))
    extents = {tensor: torch.from_numpy(extent) for tensor, extent in observer.extents.items()}
    even = equalized(lowered, weights, equalizing_factors(lowered, weights, extents))
    ranges = observed_ranges(lowered, write_model(lowered, even, "net"), images, method=method)
    return corrected_biases(lowered, even, list(ranges.values()), torch.from_numpy(images)), ranges
