"""Quantization of a float .tflite model to int8, given the range of each tensor."""

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
# The quantizer skips these; each is replaced by a supported operator with the same shapes to get its scales.
STAND_INS: dict[int, tuple[int, str]] = {
    _B.DEPTH_TO_SPACE: (_B.RESHAPE, "ReshapeOptions"),
    _B.LEAKY_RELU: (_B.HARD_SWISH, "HardSwishOptions"),
    _B.PRELU: (_B.MUL, "MulOptions"),
}


def quantize(model: bytes, ranges: Mapping[str, Range]) -> bytes:
    """Quantize a model to int8, including input and output: a scale per output channel of weights, else per tensor.

    Args:
        model: The float32 model.
        ranges: Range of each tensor, by name.
    """
    from ai_edge_quantizer import quantizer, recipe

    model, own = _in_disguise(model)
    statistics: Any = as_statistics(ranges)
    with captured_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about its interpreter, which keeps all tensors, and progress bars
        maker = quantizer.Quantizer(bytearray(model), recipe.static_wi8_ai8())
        return _undisguised(bytes(maker.quantize(statistics, enable_progress_report=False).quantized_model), own)


def _in_disguise(model: bytes) -> tuple[bytes, dict[bytes, tuple[int, int, Any]]]:
    """Replace operators that the quantizer does not support; returns the model, and the originals by output."""
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
    """Put the original operators back into the int8 model."""
    if not own:
        return model
    found = unpack(model)
    for operator in found.subgraphs[0].operators:
        name = found.subgraphs[0].tensors[operator.outputs[0]].name
        if name in own:
            code, operator.builtinOptionsType, operator.builtinOptions = own[name]
            operator.opcodeIndex = code_index(found, code)
    return pack(found)
