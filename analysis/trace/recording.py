"""The layer graph while it is being recorded: nodes, and the module call each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.graph import LayerGraph, Node, Uncounted
from fieldspec.blocks.layers import Layer, Pad, Shape


class MaxPooling(NamedTuple):
    """A max pooling whose indices may be read later."""

    kernel: Shape
    stride: Shape
    padding: Shape
    size: Shape  # of the axes that it pools
    node: int


@dataclass(slots=True)
class ModuleCall:
    """One call of a module: its path and its number, starting at 1."""

    path: str
    number: int
    is_window: bool = False  # a convolution or pooling, which may add padding of its own

    @property
    def key(self) -> str:
        """`path`, or `path:2` for the second call."""
        return self.path if self.number == 1 else f"{self.path}:{self.number}"


@dataclass(slots=True)
class Recording:
    """Recorded nodes, each with its module call and the name of its operation."""

    axes: int  # spatial axes of the network's maps
    graph: LayerGraph = field(default_factory=lambda: LayerGraph(traced=True))
    calls: list[ModuleCall] = field(default_factory=list)  # parallel to the nodes
    names: list[str] = field(default_factory=list)
    call: ModuleCall = field(default_factory=lambda: ModuleCall("", 1))
    flat: dict[int, Value] = field(default_factory=dict)  # the value before each flatten: a later view may undo it
    weight_macs: list[tuple[str, int, int]] = field(default_factory=list)  # products without a map: path, node, count
    uncounted: list[tuple[str, int, Uncounted]] = field(default_factory=list)  # without formula: path, node, operation
    maps: dict[Value, Value] = field(default_factory=dict)  # cache of `settled`
    pooled: dict[int, MaxPooling] = field(default_factory=dict)  # by the id of their indices
    masks: dict[int, int] = field(default_factory=dict)  # bytes of a mask, by the id of the indices that replace it
    cut_axes: int = 0  # views that split axes at non-divisors, which suggests the same
    over_axes: int = 0  # convolutions whose channels are an axis, which suggests another interpretation
    off_axes: int = 0  # convolutions along assumed channels, which may be axes in another interpretation
    unfollowed_windows: int = 0  # most window axes of an operation that could not be traced

    def shape(self, value: Value) -> Shape:
        """(channels, *axes) of a value's map."""
        return self.graph.nodes[value.node].shape

    def add(self, name: str, layer: Layer, inputs: Sequence[int], shape: Shape) -> int:
        """Add a node; `name` is the operation's."""
        temporary = self.call.is_window and isinstance(layer, Pad)
        self.graph.nodes.append(Node("", layer, tuple(inputs), shape, temporary=temporary))
        self.calls.append(self.call)
        self.names.append(name)
        return len(self.graph.nodes) - 1

    def forget(self, first: int) -> None:
        """Drop what was recorded from this node on."""
        del self.graph.nodes[first:], self.calls[first:], self.names[first:]
        self.maps = {value: made for value, made in self.maps.items() if made.node < first}

    def same(self, name: str, layer: Layer, value: Value) -> Value:
        """Add a layer that changes neither shape nor positions."""
        return Value(self.add(name, layer, [value.node], self.shape(value)), value.layout)

    def seen(self, name: str, layer: Layer, source: int) -> int:
        """Add a node that shares its input's memory, even if its layer would not; copies are recorded separately."""
        node = self.add(name, layer, [source], layer.output_shape(self.graph.nodes[source].shape))
        self.graph.nodes[node].temporary = True
        return node
