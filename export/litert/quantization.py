"""From a float model to int8, by the range of each tensor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from fieldspec.export.engines.standard_error import captured_standard_error
from fieldspec.export.litert.model_file import code_index, pack, unpack
from fieldspec.export.litert.ranges import as_statistics
from fieldspec.training.quantization.ranges import Range

_B = schema.BuiltinOperator
# The quantizer passes these by; each gets its scales as one that it knows, with tensors of the same shapes.
STAND_INS: dict[int, tuple[int, str]] = {
    _B.DEPTH_TO_SPACE: (_B.RESHAPE, "ReshapeOptions"),
    _B.LEAKY_RELU: (_B.HARD_SWISH, "HardSwishOptions"),
    _B.PRELU: (_B.MUL, "MulOptions"),
}


def quantize(model: bytes, ranges: Mapping[str, Range]) -> bytes:
    """An int8 model: weights with a scale an output channel, activations with a range a tensor, input and output too.

    Args:
        model: In float32.
        ranges: Of each tensor by its name.
    """
    from ai_edge_quantizer import quantizer, recipe

    model, own = _in_disguise(model)
    statistics: Any = as_statistics(ranges)
    with captured_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its interpreter, which keeps all tensors; and bars of progress
        maker = quantizer.Quantizer(bytearray(model), recipe.static_wi8_ai8())
        return _undisguised(bytes(maker.quantize(statistics, enable_progress_report=False).quantized_model), own)


def _in_disguise(model: bytes) -> tuple[bytes, dict[bytes, tuple[int, int, Any]]]:
    """The model with operators that the quantizer knows in place of those that it does not; these by their output."""
    found = unpack(model)
    codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in found.operatorCodes]
    own: dict[bytes, tuple[int, int, Any]] = {}
    for operator in found.subgraphs[0].operators:
        code = codes[operator.opcodeIndex]
        if code in STAND_INS:
            output = found.subgraphs[0].tensors[operator.outputs[0]]
            own[output.name] = code, operator.builtinOptionsType, operator.builtinOptions
            other, settings = STAND_INS[code]
            operator.opcodeIndex = code_index(found, other)
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, settings)
            operator.builtinOptions = getattr(schema, f"{settings}T")()
            if other == _B.RESHAPE:
                operator.builtinOptions.newShape = output.shape
    return pack(found) if own else model, own


def _undisguised(model: bytes, own: Mapping[bytes, tuple[int, int, Any]]) -> bytes:
    """The other way, in int8."""
    if not own:
        return model
    found = unpack(model)
    for operator in found.subgraphs[0].operators:
        name = found.subgraphs[0].tensors[operator.outputs[0]].name
        if name in own:
            code, operator.builtinOptionsType, operator.builtinOptions = own[name]
            operator.opcodeIndex = code_index(found, code)
    return pack(found)
