"""Rules for element-wise functions of one map or several."""

from __future__ import annotations

from typing import Any

from fieldspec.analysis.trace.layout import (
    FREE,
    Dim,
    Factor,
    Layout,
    LayoutError,
    along,
    channels_in,
    numbered,
    places_in,
    size_of,
)
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Activation, Add, Elementwise, Layer, MatMul, Merge, Multiply, Pointwise

ACTIVATIONS = {"relu", "silu", "gelu", "hardswish", "hardsigmoid", "sigmoid"}
POINTWISE = {  # torch does not tag these
    *("hardswish", "hardtanh", "leaky_relu", "elu", "softplus", "log_sigmoid_forward", "_prelu_kernel", "rrelu"),
    *("rrelu_with_noise", "floor_divide", "bucketize", "poisson", "tril", "triu"),
    *(
        "threshold",
        "softshrink",
        "hardshrink",
        "native_dropout",
        "dropout",
        "masked_fill",
        "clamp",
        "where",
        "copysign",
    ),
    *("nan_to_num", "rsub", "lerp", "addcmul", "addcdiv", "fake_quantize_per_tensor_affine"),
    *("fake_quantize_per_tensor_affine_cachemask", "fake_quantize_per_channel_affine_cachemask", "complex", "polar"),
}
MERGES: dict[str, Merge] = {"add": Add(), "sub": Add(), "mul": Multiply()}


def pointwise(op: Op) -> Value:
    """An element-wise function."""
    found = [value for value in map(op.values, tensors_in((op.args, op.kwargs))) if value is not None]
    if len(found) == 1:
        return _of_one(op, found[0])
    return on_each_other(op, found)


def _of_one(op: Op, value: Value) -> Value:
    layout: tuple[Dim, ...] = ((),) * (len(op.sizes) - len(value.layout)) + value.layout
    grown = [at for at, (dim, size) in enumerate(zip(layout, op.sizes, strict=True)) if size_of(dim) != size]
    if grown:  # by weights of more dimensions
        layout = tuple((Factor(FREE, op.sizes[at], 0),) if at in grown else dim for at, dim in enumerate(layout))
        value = op.record.filled(Value(value.node, layout), grown)
        return op.record.same(op.name, layer_of(op), value)
    return op.record.same(op.name, layer_of(op), Value(value.node, layout))


def layer_of(op: Op) -> Layer:
    """The layer of a function of one map."""
    if op.name == "gelu" and op.arg("approximate", "none") == "tanh":
        return Activation("gelu_tanh")
    if op.name in ACTIVATIONS:
        return Activation(op.name)  # type: ignore[arg-type]  # one of them
    if op.name == "hardtanh" and (op.arg("min_val", -1), op.arg("max_val", 1)) == (0, 6):
        return Activation("relu6")
    return Pointwise(op.name)


def _half_repeated(value: Value) -> list[int]:
    """Dimensions that repeat some of their channels: group statistics, broadcast to their channels."""
    return [at for at, dim in enumerate(value.layout) if {f.axis == FREE for f in dim} == {True, False}]


def _alike(op: Op, values: list[Value]) -> list[Value]:
    """The same values; if patches in their views differ, all of them as plain maps.

    The same applies if one has a feature for each unit of another map.
    """
    pieces = {frozenset(places_in(value.layout)) for value in values} - {frozenset()}
    if not pieces or len(op.sizes) != 2 + op.record.axes:
        return values

    def is_apart(value: Value) -> bool:
        if places_in(value.layout):
            return len(pieces) > 1
        return all(channels_in([dim]) for dim in value.layout[2:])  # a mean repeated for each element

    return [op.record.settled(value) if is_apart(value) else value for value in values]


def _placed(op: Op, values: list[Value]) -> list[Value]:
    """The same values, with features as units of a map where others have spatial axes."""
    like = max(values, key=lambda value: len(places_in(value.layout)))
    return [op.record.placed_like(value, like.layout) for value in values]


def _asked_for_all(op: Op, values: list[Value]) -> Value | None:
    """Scores of each unit for all units, combined with a map such as a mask: each unit reads all of that map."""
    scores, *others = sorted(values, key=lambda value: len(channels_in(value.layout)), reverse=True)
    held = [(at, value) for value in others for at, dim in enumerate(value.layout) if along(dim, spatial=True)]
    if not held or any(size_of(dim) != size for dim, size in zip(scores.layout, op.sizes, strict=True)):
        return None
    if any(along(scores.layout[at], spatial=True) or len(places_in(value.layout)) > 1 for at, value in held):
        return None
    made = [scores, *[op.record.straight(op.record.filled(value, range(len(value.layout)))) for value in others]]
    shape = op.record.shape(scores)
    layer = MatMul(("own", *["whole"] * len(others)), shape, 0)  # type: ignore[arg-type]  # literals of Reads
    return Value(op.add(layer, made, shape), scores.layout)


def _repeated_like(op: Op, value: Value, layout: Layout) -> Value:
    """The same tensor with its channels repeated to those of the others, so that channels remain distinct."""
    own = size_of(channels_in(value.layout))
    if own in (1, size_of(channels_in(layout))):
        return value
    pieces = [
        (Factor(FREE, size_of(other), 0),) if not dim and other and not along(other, spatial=True) else dim
        for dim, other in zip(value.layout, layout, strict=True)
    ]
    made = op.record.filled(Value(value.node, tuple(pieces)), range(len(pieces)))
    if made.node != value.node:
        op.record.graph.nodes[made.node].temporary = True
    return Value(made.node, value.layout)


def on_each_other(op: Op, values: list[Value]) -> Value:
    """Combine maps dimension by dimension; dimensions of size 1 are broadcast."""
    count = len(op.sizes)
    values = [Value(value.node, ((),) * (count - len(value.layout)) + value.layout) for value in values]
    values = [op.record.filled(value, _half_repeated(value)) for value in _placed(op, _alike(op, values))]
    if (masked := _asked_for_all(op, values)) is not None:
        return masked
    dims: list[Dim] = []
    for at, size in enumerate(op.sizes):
        pieces = [value.layout[at] for value in values if value.layout[at]]
        held = [dim for dim in pieces if any(f.axis != FREE for f in dim)]
        places = {tuple(f if f.axis > 0 else (f.axis, f.size) for f in dim) for dim in held}
        if len(places) > 1:
            raise LayoutError("maps combined with spatial axes in different dimensions")
        dims.append(held[0] if held else pieces[0] if pieces else ())
        if size_of(dims[-1]) != size:  # broadcast over weights
            raise LayoutError("maps combined after broadcasting over weights")
    layout = numbered(tuple(dims))
    values = [_repeated_like(op, value, layout) for value in values]
    spatial = {f.axis for dim in layout for f in dim if f.axis > 0}
    shapes = [op.record.shape(value) for value in values]
    sizes = [
        max([shape[axis] for shape in shapes if len(shape) > axis], default=1) for axis in range(1, op.record.axes + 1)
    ]
    channels = size_of(channels_in(layout))
    shape = (channels,) if not spatial and count < 2 + op.record.axes else (channels, *sizes)
    layer: Any = MERGES.get(op.name, Elementwise(op.name))
    return Value(op.add(layer, values, shape), layout)
