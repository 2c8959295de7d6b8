"""The formulas of a layer with its numbers, each checked against the report before it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from fieldspec.analysis.fields.windows import Number
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.layers import BatchNorm, Conv, ConvTranspose, Linear, Pool

AXES = {1: ("",), 2: ("rows", "columns"), 3: ("depth", "rows", "columns")}


class FilledFormula(NamedTuple):
    """A measure, its arithmetic in numbers, and the result."""

    measure: str
    arithmetic: str
    value: int

    def __str__(self) -> str:
        return f"{self.measure} = {self.arithmetic} = {self.value:,}"


def formulas_of(report: Report, index: int) -> list[FilledFormula]:
    """Formulas of a layer's parameters, multiply-adds, field and jump; those that disagree with the report are omitted.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> for formula in formulas_of(analyze("c1c2c3c40"), 15):                    # conv2.conv, 3x3 with stride 2
        ...     print(formula)
        parameters = 32 · 32 · 3 · 3 = 9,216
        multiply-adds = 32 · 16 · 16 · 32 · 3 · 3 = 2,359,296
        field = 5 + (3 − 1) · 1 = 7
        jump = 1 · 2 = 2
    """
    layer = report.layers[index]
    told: dict[str, set[Number]] = {"parameters": {layer.params}, "multiply-adds": {layer.macs}}
    if len(layer.field.axes) == len(layer.shape) - 1:
        told |= {"field": set(layer.receptive_field), "jump": set(layer.jump)}
    return [one for one in _formulas(report, layer) if told.get(one.measure) == {one.value}]


def _formulas(report: Report, layer: LayerReport) -> Iterator[FilledFormula]:
    it, source = layer.layer, report.layers[layer.inputs[0]] if layer.inputs else None
    if source is None:
        return
    if isinstance(it, Conv):
        fan = [it.in_channels // it.groups, *it.kernel_size]
        yield _product("parameters", [it.out_channels, *fan], it.out_channels if it.bias else 0)
        yield _product("multiply-adds", [*layer.shape, *fan])
    elif isinstance(it, ConvTranspose):
        fan = [it.out_channels // it.groups, *it.kernel_size]
        yield _product("parameters", [it.in_channels, *fan], it.out_channels if it.bias else 0)
        yield _product("multiply-adds", [*source.shape, *fan])
    elif isinstance(it, Linear):
        yield _product("parameters", [it.in_features, it.out_features], it.out_features if it.bias else 0)
        yield _product("multiply-adds", [*layer.shape[1:], it.in_features, it.out_features])
    elif isinstance(it, BatchNorm):
        yield _product("parameters", [2, layer.shape[0]])
    if isinstance(it, Conv | Pool) and len(source.field.axes) == len(it.kernel_size):
        dilation = it.dilation if isinstance(it.dilation, tuple) else (it.dilation,) * len(it.kernel_size)
        yield from _field(source, it.kernel_size[0], it.stride[0], dilation[0])


def _field(source: LayerReport, kernel: int, stride: int, dilation: int) -> Iterator[FilledFormula]:
    """Field and jump along the first axis; the caller checks that the others are equal."""
    size, jump = source.receptive_field[0], source.jump[0]
    if not isinstance(jump, int):
        return
    apart = f"{dilation} · " if dilation > 1 else ""
    arithmetic = f"{size} + {apart}({kernel} − 1) · {jump}"
    yield FilledFormula("field", arithmetic, size + dilation * (kernel - 1) * jump)
    yield FilledFormula("jump", f"{jump} · {stride}", jump * stride)


def _product(measure: str, factors: list[int], more: int = 0) -> FilledFormula:
    plus = f" + {more}" if more else ""
    return FilledFormula(measure, " · ".join(map(str, factors)) + plus, prod(factors) + more)
