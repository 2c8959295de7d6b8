"""A traced network as vertices with layers of the language: identities removed, inexpressible ones recorded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fieldspec.architectures.adoption.graph.beyond import Beyond, BeyondError, UnsayableError
from fieldspec.architectures.adoption.graph.sayable import said
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Activation,
    Add,
    Conv,
    Flatten,
    GlobalPool,
    Identity,
    Input,
    Layer,
    Linear,
    Pointwise,
    Shape,
)

if TYPE_CHECKING:
    from fieldspec.analysis.trace import Traced
    from fieldspec.analysis.trace.operations import Operation


@dataclass(eq=False, slots=True)
class Vertex:
    """A layer and its position in the network; vertices are compared by identity."""

    layer: Layer
    inputs: list[Vertex] = field(repr=False)
    shape: Shape
    path: str  # id of its node in the traced graph
    at: float  # position in execution order
    is_padding: bool = False  # a concat with zeros
    is_linear: bool = False  # a 1x1 convolution written as a linear layer, or a flatten


@dataclass(eq=False, slots=True)
class Vertices:
    """The vertices of a network that its output depends on."""

    input: Vertex
    output: Vertex
    problems: list[Beyond] = field(default_factory=list)
    classes: dict[str, str] = field(default_factory=dict)  # class names of the network's modules, by path

    def vertices(self) -> list[Vertex]:
        """All vertices that the output depends on, in execution order."""
        found: dict[int, Vertex] = {}
        waiting = [self.output]
        while waiting:
            vertex = waiting.pop()
            if id(vertex) not in found:
                found[id(vertex)] = vertex
                waiting += vertex.inputs
        return sorted(found.values(), key=lambda vertex: vertex.at)

    def readers(self) -> dict[int, list[Vertex]]:
        """The readers of each vertex, by its id; one that reads it twice is listed twice."""
        found: dict[int, list[Vertex]] = {id(vertex): [] for vertex in self.vertices()}
        for vertex in self.vertices():
            for source in vertex.inputs:
                found[id(source)].append(vertex)
        return found

    def tell(self, vertex: Vertex, operation: str, reason: str) -> None:
        """Record that a spec cannot express a vertex."""
        self.problems.append(Beyond(vertex.path, operation, reason))


def plan_of(traced: Traced, name: str) -> Vertices:
    """The vertices of a traced graph, without those that have no effect in eval mode.

    Raises:
        BeyondError: The network has several inputs or outputs.
    """
    graph = traced.graph
    wanted = _wanted(graph)
    inputs = [index for index in wanted if isinstance(graph.nodes[index].layer, Input)]
    if len(inputs) != 1 or graph.kept:
        several = "inputs" if len(inputs) != 1 else "outputs"
        count = len(inputs) if len(inputs) != 1 else 1 + len(graph.kept)
        raise BeyondError(name, [Beyond("forward", several, f"{count} of them, but a spec has one")])
    plan: Vertices | None = None
    made: dict[int, Vertex] = {}
    for index in wanted:
        node = graph.nodes[index]
        if plan is None:
            start = Vertex(node.layer, [], node.shape, node.id, index)
            made[index], plan = start, Vertices(start, start)
        else:
            sources = [made[source] for source in node.inputs]
            made[index] = _vertex(plan, node, index, traced.operations.get(index), sources)
    assert plan is not None  # there is an input
    if graph.nodes[inputs[0]].layer != Input(graph.nodes[inputs[0]].shape):
        plan.tell(plan.input, "input", "an input with a dtype or layout other than (channels, *axes)")
    plan.output = made[graph.output]
    if len(traced.output_shape) == 1 and len(plan.output.shape) > 1:  # a view that the graph leaves out
        plan.output = Vertex(Flatten(), [plan.output], plan.output.shape, "flatten", len(graph.nodes), is_linear=True)
    return plan


def _wanted(graph: LayerGraph) -> list[int]:
    """The nodes that the output depends on."""
    wanted = {graph.output}
    for index in range(len(graph.nodes) - 1, -1, -1):
        if index in wanted:
            wanted.update(graph.nodes[index].inputs)
    return sorted(wanted)


def _vertex(plan: Vertices, node: Node, index: int, operation: Operation | None, sources: list[Vertex]) -> Vertex:
    """The vertex of a node; its source if the node has no effect, a placeholder if it is inexpressible."""
    if operation is not None and operation.name == "glu" and len(sources) == 2:
        gate = sources[1]
        sources = [sources[0], Vertex(Activation("sigmoid"), [gate], gate.shape, node.id, index - 0.5)]
        operation = None
    if (both := mean_and_maximum(node.layer, operation, sources)) is not None:
        return Vertex(both, sources[0].inputs[0].inputs, sources[0].shape, node.id, index)
    shapes = [source.shape for source in sources]
    stand_in = Vertex(Identity(), sources[:1], node.shape, node.id, index)
    try:
        layer = said(node, operation, shapes)
        if layer is None:
            return sources[0]
        soft = isinstance(layer, Flatten) and max(shapes[0][1:]) == 1  # a vector may remain a map of one unit
        shape = shapes[0] if soft else layer.output_shape(*shapes)
    except UnsayableError as error:
        plan.tell(stand_in, operation.name if operation else node.layer.kind, str(error))
        return stand_in
    except FieldspecError as error:
        plan.tell(stand_in, operation.name if operation else node.layer.kind, f"does not fit: {error}")
        return stand_in
    linear = soft or (isinstance(layer, Conv) and isinstance(node.layer, Linear))
    padding = operation is not None and operation.name == "constant_pad_nd"
    return Vertex(layer, sources, shape, node.id, index, is_padding=padding, is_linear=linear)


def mean_and_maximum(layer: Layer, operation: Operation | None, sources: list[Vertex]) -> GlobalPool | None:
    """Detect half the sum of a map's mean and maximum, which is one pooling in a spec."""
    if not isinstance(layer, Pointwise) or operation is None or operation.name != "mul":
        return None
    pools = sources[0].inputs
    kinds = sorted(pool.layer.type for pool in pools if isinstance(pool.layer, GlobalPool))
    one = kinds == ["avg", "max"] and isinstance(sources[0].layer, Add) and pools[0].inputs == pools[1].inputs
    return GlobalPool("avgmax", len(pools[0].shape) - 1) if one and operation.get("other") == 0.5 else None


def behind(vertex: Vertex) -> Iterator[Vertex]:
    """A vertex and those before it, as long as each has a single input."""
    yield vertex
    while len(vertex.inputs) == 1:
        (vertex,) = vertex.inputs
        yield vertex
