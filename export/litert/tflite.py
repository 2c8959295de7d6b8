"""A network as a .tflite file, in float32 or int8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from fieldspec.analysis.inference.engine import EngineReport
from fieldspec.export.engines.arrays import Pixels
from fieldspec.export.litert.equalization import equalized
from fieldspec.export.litert.metadata import with_metadata
from fieldspec.export.litert.model_file import write_model
from fieldspec.export.litert.quantization import quantize
from fieldspec.export.litert.ranges import Observer, assumed_ranges, observed_ranges
from fieldspec.export.litert.weights import folded_weights


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
    planned: bool = False,
) -> bytes:
    """The network in int8, input and output as well.

    Channels that share a scale are first brought to one range, which changes nothing in float; each tensor's range is
    then the part of what the images show that loses least.

    Args:
        report: On the engine.
        net: In eval mode.
        said: Of the network, for the file.
        images: That show the ranges; without any they are assumed, and only sizes are true.
        planned: Write the best order and offsets into the file.
    """
    lowered = report.lowered
    plan = report.plan if planned else None
    order = plan.order if plan else None
    weights = folded_weights(lowered, net)
    if images is None:
        ranges = assumed_ranges(lowered)
    else:
        observer = Observer(write_model(lowered, weights, report.name))
        observer.see(images, range(len(lowered.shapes)))
        weights = equalized(lowered, weights, observer.extents)
        ranges = observed_ranges(lowered, write_model(lowered, weights, report.name), images)
    return with_metadata(quantize(write_model(lowered, weights, report.name, order), ranges), said, lowered, plan)
