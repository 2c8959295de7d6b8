"""The layer graph while it is recorded: nodes as they come, and in which call of a module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.graph import LayerGraph, Node, Uncounted
from fieldspec.blocks.layers import Layer, Pad, Shape

Windows = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]  # kernel, stride, padding


@dataclass(slots=True)
class ModuleCall:
    """One call of a module: its path and its number, counted from 1."""

    path: str
    number: int
    is_window: bool = False  # of a convolution or a pooling, which may pad by itself

    @property
    def key(self) -> str:
        """`path`, or `path:2` for the second call."""
        return self.path if self.number == 1 else f"{self.path}:{self.number}"


@dataclass(slots=True)
class Recording:
    """Nodes as they come, each with the call that it was made in and the name of its operation."""

    axes: int  # spatial axes of the network's maps
    graph: LayerGraph = field(default_factory=lambda: LayerGraph(traced=True))
    calls: list[ModuleCall] = field(default_factory=list)  # parallel to the nodes
    names: list[str] = field(default_factory=list)
    call: ModuleCall = field(default_factory=lambda: ModuleCall("", 1))
    flat: dict[int, Value] = field(default_factory=dict)  # what a flattening is of: a later view may undo it
    weight_macs: list[tuple[str, int, int]] = field(default_factory=list)  # multiply-adds without a map: where, when
    uncounted: list[tuple[str, int, Uncounted]] = field(default_factory=list)  # operations without a formula: likewise
    maps: dict[Value, Value] = field(default_factory=dict)  # of values that were settled
    pooled: dict[int, Windows] = field(default_factory=dict)  # of indices (by id), the windows whose maxima they are
    off_axes: int = 0  # convolutions along what was taken for channels, where another reading may have axes
    unfollowed_windows: int = 0  # axes of the windows, the most, of an operation that could not be followed

    def shape(self, value: Value) -> Shape:
        """(channels, *axes) of a value's map."""
        return self.graph.nodes[value.node].shape

    def add(self, name: str, layer: Layer, inputs: Sequence[int], shape: Shape) -> int:
        """A new node; `name` is the operation's."""
        temporary = self.call.is_window and isinstance(layer, Pad)
        self.graph.nodes.append(Node("", layer, tuple(inputs), shape, temporary=temporary))
        self.calls.append(self.call)
        self.names.append(name)
        return len(self.graph.nodes) - 1

    def forget(self, first: int) -> None:
        """What was recorded from this node on."""
        del self.graph.nodes[first:], self.calls[first:], self.names[first:]
        self.maps = {value: made for value, made in self.maps.items() if made.node < first}

    def same(self, name: str, layer: Layer, value: Value) -> Value:
        """A layer that changes neither shape nor places."""
        return Value(self.add(name, layer, [value.node], self.shape(value)), value.layout)

    def seen(self, name: str, layer: Layer, source: int) -> int:
        """A node that shares its input's memory, though its layer would not: who copies elements says so itself."""
        node = self.add(name, layer, [source], layer.output_shape(self.graph.nodes[source].shape))
        self.graph.nodes[node].temporary = True
        return node
