"""One walk over a layer graph that emits operators and tracks the tensor of each layer's output."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import prod

from fieldspec.analysis.inference.lowering.operators import EngineError, Lowered, Operator, OperatorKind
from fieldspec.analysis.inference.lowering.windows import effective_sides, grown_sides, is_same, same_sides, window_of
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Conv,
    Copy,
    Dropout,
    DropPath,
    Flatten,
    Identity,
    Linear,
    Pad,
    Shape,
    Sides,
)

FUSING: tuple[OperatorKind, ...] = (
    "add", "average_pool", "conv", "depthwise_conv", "fully_connected", "max_pool", "multiply"
)  # fmt: skip  # operators that can fuse a relu
ABSENT = (Copy, Dropout, DropPath, Flatten, Identity)


class Walk:
    """One walk over the nodes in order; `tensors` maps each node to the tensor that holds its output."""

    def __init__(self, graph: LayerGraph, growing: Collection[int] = ()) -> None:
        self.graph = graph
        self.growing = growing  # nodes of convolutions with padding in the kernel instead of the map
        self.lowered = Lowered(graph)
        self.tensors: dict[int, int] = {}
        self.makers: dict[int, Operator] = {}  # operator that writes each tensor
        self.holders: dict[int, list[int]] = {}  # nodes whose output each tensor holds
        self.pending: dict[int, tuple[int, ...]] = {}  # for each node, norms before it to be folded into its weights
        self.refused: list[str] = []
        self.needed = [False] * len(graph.nodes)
        self.readers: list[list[int]] = [[] for _ in graph.nodes]
        for index in (graph.output, *graph.kept):
            self.needed[index] = True
            self.readers[index].append(-1)
        for index in reversed(range(len(graph.nodes))):
            if self.needed[index]:
                for source in graph.nodes[index].inputs:
                    self.needed[source] = True
                    self.readers[source].append(index)

    def refuse(self, node: Node, reason: str) -> None:
        """Record why a layer cannot be run, and continue with the others."""
        self.refused.append(f"{node.id} ({reason})")

    def refused_at(self, node: Node, reason: str) -> int:
        """Like `refuse`; returns a placeholder tensor."""
        self.refuse(node, reason)
        return self.tensor(node.shape)

    def tensor(self, shape: Shape) -> int:
        """Add a tensor of this shape; returns its index."""
        self.lowered.shapes.append(shape)
        return len(self.lowered.shapes) - 1

    def emit(self, operator: Operator, shape: Shape) -> int:
        """Append an operator with a new output tensor of this shape; returns the tensor."""
        operator.output = self.tensor(shape)
        inputs = [self.lowered.shapes[tensor] for tensor in operator.inputs]
        operator.macs = operator.layer.macs(inputs, shape)
        self.lowered.operators.append(operator)
        self.makers[operator.output] = operator
        return operator.output

    def check_flattening(self, index: int, node: Node) -> None:
        """Check that a flatten can be dropped: before linear layers, whose weights are permuted, or of one unit."""
        shape = self.graph.nodes[node.inputs[0]].shape
        if not isinstance(node.layer, Flatten):
            return
        if prod(shape[1:]) > 1 and not all(
            isinstance(self.graph.nodes[reader].layer, Linear) for reader in self._readers(index) if reader >= 0
        ):
            self.refuse(node, "flatten that is not only read by linear layers: the engine is channels-last")
        elif prod(shape[1:]) > 1 and -1 in self._readers(index):
            self.refuse(node, "flatten at the end: the engine is channels-last")

    def _readers(self, index: int) -> list[int]:
        """The nodes that read an output, looking through dropped layers; -1 for the network's output."""
        found: list[int] = []
        for reader in self.readers[index]:
            gone = reader >= 0 and isinstance(self.graph.nodes[reader].layer, ABSENT)
            found += self._readers(reader) if gone else [reader]
        return found

    def only_reader(self, index: int) -> int | None:
        """The only node that reads an output; None if there are several, or if it is the network's output."""
        readers = self._readers(index)
        return readers[0] if len(readers) == 1 and readers[0] >= 0 else None

    def sole_maker(self, tensor: int, index: int) -> Operator | None:
        """The operator that writes a tensor, if only node `index` reads the tensor."""
        nodes = self.holders[tensor]
        readers = [reader for node in nodes for reader in self.readers[node] if reader not in nodes]
        return self.makers.get(tensor) if readers == [index] else None

    def windowed(self, index: int, node: Node, operator: Operator, padding: Sides, shape: Shape) -> int:
        """Emit a windowed operator, with explicit padding before it if `same` does not match the layer's."""
        layer, source = operator.layer, operator.inputs[0]
        kernel, stride, dilation = window_of(layer)
        sizes, units = self.lowered.shapes[source][1:], shape[1:]
        if len(sizes) != 2:
            return self.refused_at(node, f"{layer.kind} over {len(sizes)} axes")
        sides = effective_sides(sizes, units, kernel, stride, dilation, padding)
        operator.same = any(side for pair in sides for side in pair)
        if operator.same and not is_same(sizes, units, kernel, stride, dilation, sides):
            grown = grown_sides(sizes, units, kernel, stride, dilation, sides) if index in self.growing else None
            if grown is not None and isinstance(layer, Conv):
                operator.grown = grown
                wider = tuple(taps + sum(pair) for taps, pair in zip(kernel, grown, strict=True))
                own = [same_sides(*one) for one in zip(sizes, units, wider, stride, dilation, strict=True)]
                operator.layer = replace(layer, kernel_size=wider, padding=tuple(own))
                return self.emit(operator, shape)
            operator.inputs = (self.pad(node, source, sides),)
            operator.same = False
        return self.emit(operator, shape)

    def pad(self, node: Node, source: int, sides: Sides) -> int:
        """Emit zero padding around a map."""
        channels, *sizes = self.lowered.shapes[source]
        shape = (channels, *[size + sum(pair) for size, pair in zip(sizes, sides, strict=True)])
        return self.emit(Operator("pad", node.id, Pad(sides), (source,), 0, sides=(*sides, (0, 0))), shape)

    def finish(self) -> Lowered:
        """The operators; raises EngineError if any layer was refused."""
        if not self.lowered.operators and not self.refused:
            self.refused.append("no operators remain")
        if self.refused:
            raise EngineError("LiteRT-Micro cannot run this network: " + "; ".join(self.refused))
        ends = dict.fromkeys(self.tensors[index] for index in (self.graph.output, *self.graph.kept))
        self.lowered.outputs = list(ends)
        return self.lowered
