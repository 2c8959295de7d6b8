"""The layer graph: a block tree laid out flat, as all readings use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.collector import collector_paused
from fieldspec.blocks.errors import FieldspecError, ShapeError
from fieldspec.blocks.layers.base import Layer, Shape
from fieldspec.blocks.layers.source import Input


def shape_after(block: Block, *inputs: Shape) -> Shape:
    """Output shape of a block for inputs of these shapes.

    Raises:
        ShapeError: A layer does not accept its input.
    Example:
        >>> from fieldspec.blocks import conv
        >>> shape_after(conv(3, out_channels=8, stride=2), (3, 32, 33))
        (8, 16, 17)
    """
    if isinstance(block, Layer):
        return block.output_shape(*inputs)
    if isinstance(block, Parallel):
        return block.merge.output_shape(*[shape_after(branch, *inputs) for _, branch in block.branches])
    (shape,) = inputs
    if isinstance(block, Wired):
        shapes = [shape]
        for (_, child), sources in zip(block.children, block.sources, strict=True):
            shapes.append(shape_after(child, *[shapes[source] for source in sources]))
        return shapes[-1]
    for _, child in block.children if isinstance(block, Chain) else ():
        shape = shape_after(child, shape)
    return shape


class Uncounted(NamedTuple):
    """An operation that may contain multiply-adds but has no formula to count them."""

    operation: str
    place: str  # file:line of the call; empty inside torch's own modules


class Stop(NamedTuple):
    """The point at which tracing had to end because a result depends on the values of tensors."""

    operation: Uncounted  # its name and where it is called
    module: str  # path of the module that calls it
    modules: tuple[str, ...]  # paths of the outermost modules that were not reached
    weights: tuple[str, ...]  # names of weights not read by then, with their element counts:
    params: int
    trainable_params: int
    buffers: int


@dataclass(slots=True)
class Node:
    """One layer of a graph: its path, the nodes it reads, and its output shape."""

    id: str  # path of its module, as in `named_modules()`
    layer: Layer
    inputs: tuple[int, ...]  # indices of earlier nodes
    shape: Shape
    params: int | None = None  # None: the layer's own; a module that runs twice is counted once
    trainable_params: int | None = None  # those that are not frozen; None: all
    buffers: int | None = None
    trains: bool = False  # reads trained weights, even if another node counts them
    weight_macs: int = 0  # multiply-adds between weights, within the module
    uncounted: tuple[Uncounted, ...] = ()  # operations missing from this node's multiply-adds
    beside: int = 0  # elements of the tensor outside the map, such as class tokens
    temporary: bool = False  # inside a torch layer of which only inputs and output count as memory


@dataclass(slots=True)
class LayerGraph:
    """Layers in topological order; node 0 is the input, and `output` is the index of the output node."""

    nodes: list[Node] = field(default_factory=list)
    output: int = 0
    kept: tuple[int, ...] = ()  # further outputs, kept in memory until the end
    traced: bool = False  # from a module, where maps with different jumps may be merged
    computed_weights: bool = False  # some weights are computed from others in the forward pass
    gradient_cut: bool = False  # detach() or no_grad() in the forward pass
    stop: Stop | None = None  # the graph ends before the module does
    indices: dict[int, int] = field(
        default_factory=dict
    )  # poolings that return int64 indices: the last reader of these

    @classmethod
    def of(cls, block: Block, shape: Shape) -> LayerGraph:
        """Lay out one block on an input of `shape` (channels, height, width).

        Example:
            >>> from fieldspec.blocks import conv
            >>> graph = LayerGraph.of(conv(3, out_channels=8, stride=2), (3, 32, 32))
            >>> [(node.id, node.shape) for node in graph.nodes[1:]]
            [('conv', (8, 16, 16)), ('norm', (8, 16, 16)), ('act', (8, 16, 16))]
        """
        graph = cls([Node("input", Input(shape), (), shape)])
        with collector_paused():
            graph.output = graph.place(block, "", 0)
        return graph

    def place(self, block: Block, path: str, *sources: int) -> int:
        """Lay out `block` after the nodes `sources`; returns the index of its output node."""
        if isinstance(block, Layer):
            return self._place_layer(block, path, sources)
        prefix = f"{path}." if path else ""
        if isinstance(block, Chain):
            (at,) = sources
            for name, child in block.children:
                if isinstance(child, Layer):
                    at = self._place_layer(child, prefix + name, (at,))
                else:
                    at = self.place(child, prefix + name, at)
            return at
        if isinstance(block, Wired):
            places = [*sources]
            for (name, child), read in zip(block.children, block.sources, strict=True):
                places.append(self.place(child, prefix + name, *[places[source] for source in read]))
            return places[-1]
        if isinstance(block, Parallel):
            ends = [self.place(branch, prefix + name, *sources) for name, branch in block.branches]
            return self.place(block.merge, path or block.merge.kind, *ends)
        raise FieldspecError(f"{path}: {block!r} is not a block")

    def _place_layer(self, layer: Layer, path: str, sources: tuple[int, ...]) -> int:
        nodes = self.nodes
        try:
            if len(sources) == 1:
                shape = layer.output_shape(nodes[sources[0]].shape)
            else:
                shape = layer.output_shape(*[nodes[source].shape for source in sources])
        except ShapeError as error:
            raise ShapeError(error.reason, path) from None
        nodes.append(Node(path or layer.kind, layer, sources, shape))
        return len(nodes) - 1

    def inputs(self, node: Node) -> list[Shape]:
        """Shapes of the inputs of `node`."""
        nodes = self.nodes
        return [nodes[i].shape for i in node.inputs]

    @property
    def image(self) -> int:
        """Index of the input in whose pixels fields are measured: the first with the most axes."""
        inputs = [index for index, node in enumerate(self.nodes) if isinstance(node.layer, Input)]
        return max(inputs, key=lambda index: len(self.nodes[index].shape))

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)
