"""From a float model to int8, by the range of each tensor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from fieldspec.export.engines.standard_error import captured_standard_error
from fieldspec.export.litert.ranges import Range, as_statistics


def quantize(model: bytes, ranges: Mapping[str, Range]) -> bytes:
    """An int8 model: weights with a scale an output channel, activations with a range a tensor, input and output too.

    Args:
        model: In float32.
        ranges: Of each tensor by its name.
    """
    from ai_edge_quantizer import quantizer, recipe

    statistics: Any = as_statistics(ranges)
    with captured_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its interpreter, which keeps all tensors; and bars of progress
        maker = quantizer.Quantizer(bytearray(model), recipe.static_wi8_ai8())
        return bytes(maker.quantize(statistics, enable_progress_report=False).quantized_model)
