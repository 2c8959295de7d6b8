"""Compares a spec with the network it was made from, layer by layer: shapes, parameters, costs, fields."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from fieldspec.analysis.fields.receptive_fields import Field, receptive_field
from fieldspec.architectures.adoption.graph.order import forward_order
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Shape

if TYPE_CHECKING:
    from fieldspec.analysis.trace import Traced


def unlike(spec: ArchitectureSpec, traced: Traced) -> str:
    """Describe the first layer with weights that differs between spec and traced network; empty if none does."""
    theirs = traced.graph
    told = [bool(one and one.weights) for one in map(traced.operations.get, range(len(theirs.nodes)))]
    own = [node.layer.params > 0 for node in spec.graph.nodes]
    fields = receptive_field(theirs)
    first = [at for at in forward_order(theirs, told.__getitem__) if told[at]]
    second = [at for at in forward_order(spec.graph, own.__getitem__) if own[at]]
    for one, other in zip_longest(first, second):
        if one is None or other is None:
            return f"{len(first)} layers with weights, but {len(second)} in the spec"
        for what, has, made in (
            *_numbers(theirs, theirs.nodes[one], spec.graph, spec.graph.nodes[other]),
            *_fields(fields[one], spec.fields[other]),
        ):
            if has != made:
                return f"{theirs.nodes[one].id}: {what} {has}, but {made} at {spec.graph.nodes[other].id} in the spec"
    return ""


def _numbers(theirs: LayerGraph, node: Node, own: LayerGraph, made: Node) -> list[tuple[str, object, object]]:
    return [
        ("shape", size_text(_units(node.shape)), size_text(_units(made.shape))),
        ("parameters", node.params, made.layer.params),
        ("multiply-adds", _macs(theirs, node), _macs(own, made)),
    ]


def _macs(graph: LayerGraph, node: Node) -> int:
    return node.layer.macs(graph.inputs(node), node.shape)


def _fields(field: Field, made: Field) -> list[tuple[str, object, object]]:
    if "unknown" in (field.status, made.status) or not (field.has_position and made.has_position):
        return [("status", field.status, made.status)] if field.status != made.status else []
    return [(word, getattr(field, word), getattr(made, word)) for word in ("size", "jump", "start", "status")]


def _units(shape: Shape) -> Shape:
    """The shape, with a map of one unit reduced to a vector, as the two are equivalent."""
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
