"""Rules for further products: with a vector, bilinear layers, distances, deformable convolutions."""

from __future__ import annotations

from fieldspec.analysis.modules.products import FORMULAS
from fieldspec.analysis.trace.layout import (
    CHANNEL,
    LayoutError,
    along,
    channels_in,
    numbered,
    places_in,
    size_of,
    whole,
)
from fieldspec.analysis.trace.rules.products import joined, linear, product_of_maps
from fieldspec.analysis.trace.rules.registry import Op, rule
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import MatMul, Mix


@rule("mv", "addmv", "dot", "vdot")
def with_vector(op: Op) -> Value:
    """A linear layer with one output, or with one per row of a matrix of weights."""
    first, second = op.schema[:2] if op.name != "addmv" else ("mat", "vec")
    if op.name == "addmv" and op.values(op.arg("self")) is not None:
        raise LayoutError("a map added to a product of a vector in one operation")
    left, right = op.values(op.arg(first)), op.values(op.arg(second))
    if left is not None and right is not None:
        raise LayoutError("a product of two maps, one of them a vector")
    bias = op.name == "addmv"
    if left is not None:
        made = linear(op, left, len(left.layout) - 1, 1, bias=bias)
        return Value(made.node, made.layout[:-1])
    if right is None:
        raise LayoutError("a product of weights")
    rows = op.sizes[0] if op.sizes else 1
    made = linear(op, right, 0, rows, bias=bias)
    return made if op.sizes else Value(made.node, ())


@rule("_trilinear")
def bilinear(op: Op) -> Value:
    """`nn.Bilinear` of (units, i) and (units, j): each unit multiplies the channels of both maps at its position."""
    left, right = op.values(op.arg("i1")), op.values(op.arg("i3"))
    if left is None or right is None:
        raise LayoutError("a bilinear layer of weights")
    if left.layout[:-1] != right.layout[:-1] or any(along(value.layout[-1], spatial=True) for value in (left, right)):
        raise LayoutError("a bilinear layer on maps with different layouts")
    layout = (*left.layout[:-1], whole(CHANNEL, op.sizes[-1]))
    products = FORMULAS["aten::_trilinear"](op.arg("i1"), op.arg("i2"), op.arg("i3"), out_val=op.result)
    return joined(op, [left, right], ("own", "own"), layout, left, products)


@rule("_euclidean_dist", "_cdist_forward")
def distances(op: Op) -> Value:
    """Distances between all rows of two operands, like a product with the transpose."""
    left, right = op.values(op.arg("x1")), op.values(op.arg("x2"))
    if left is not None and right is not None:
        layout = (*right.layout[:-2], right.layout[-1], right.layout[-2])
        return product_of_maps(op, left, Value(right.node, layout))
    value = left or right
    if value is None or along(value.layout[-1], spatial=True):
        raise LayoutError("distances along spatial axes")
    value = op.record.filled(value, range(len(value.layout)))
    rows, weights = value.layout[-2], whole(CHANNEL, op.sizes[-1 if left is not None else -2])
    layout = numbered((*value.layout[:-2], *((rows, weights) if left is not None else (weights, rows))))
    shape = op.record.made(layout, op.record.shape(value))
    products = op.result.numel() * op.arg("x1").shape[-1]
    partly = size_of(channels_in(value.layout[:-1])) > 1
    return Value(op.add(Mix("cdist", shape, partly=partly, products=products), [value], shape), layout)


@rule("torchvision::deform_conv2d")
def deformable_convolution(op: Op) -> Value:
    """A deformable convolution: units may read anywhere, by their offsets; they certainly see what the offsets see."""
    image, offset, mask = (op.values(op.arg(name)) for name in ("input", "offset", "mask"))
    if image is None or offset is None:
        raise LayoutError("a deformable convolution with constant offsets")
    values = [op.record.settled(value) for value in (image, offset, mask) if value is not None]
    products = FORMULAS[op.name](None, op.arg("weight"), out_val=op.result)
    reads = ("whole", *["own"] * (len(values) - 1))
    batch, coordinates, *places = values[1].layout  # as in the output: there is an offset for each unit
    if channels_in([batch]):
        raise LayoutError("a depthwise deformable convolution")
    if places_in([coordinates]):
        raise LayoutError("a deformable convolution with offsets along a spatial axis")
    if channels_in(places):
        raise LayoutError("a deformable convolution with offsets that are features in several dimensions")
    shape = (op.sizes[1], *op.record.shape(values[1])[1:])
    layer = MatMul(reads, shape, products)  # type: ignore[arg-type]  # literals of Reads
    return Value(op.add(layer, values, shape), (batch, whole(CHANNEL, op.sizes[1]), *places))
