"""A block tree laid out flat: the layer graph that all readings use."""

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
    """The shape that a block makes of maps of these shapes.

    Raises:
        ShapeError: A layer does not fit what it is given.
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
    """An operation that may multiply and add, without a formula that says how often."""

    operation: str
    place: str  # file:line that calls it; nothing where it is one of torch's own modules


class Stop(NamedTuple):
    """Where a module could not be followed any further, as an operation's result depends on values."""

    operation: Uncounted  # its name and its place
    module: str  # the path of the module that calls it
    modules: tuple[str, ...]  # paths of the outermost modules that were not reached
    weights: tuple[str, ...]  # names of weights that nothing has read so far, and how many elements they have:
    params: int
    trainable_params: int
    buffers: int


@dataclass(slots=True)
class Node:
    """One layer of a graph: its path, the nodes it reads, and its output shape."""

    id: str  # the path of its module, as in `named_modules()`
    layer: Layer
    inputs: tuple[int, ...]  # indices of earlier nodes
    shape: Shape
    params: int | None = None  # None: those of the layer; a module that runs twice is counted once
    trainable_params: int | None = None  # of them, those that are not frozen; None: all
    buffers: int | None = None
    trains: bool = False  # trained weights are read, though another node may count them
    weight_macs: int = 0  # multiply-adds between weights, in the same module
    uncounted: tuple[Uncounted, ...] = ()  # what the multiply-adds of this node leave out
    beside: int = 0  # elements of the tensor that belong to no unit: class tokens
    temporary: bool = False  # inside a torch layer whose memory is counted as its inputs and output only


@dataclass(slots=True)
class LayerGraph:
    """Layers in topological order; node 0 is the input, and `output` is the output of the last item."""

    nodes: list[Node] = field(default_factory=list)
    output: int = 0
    kept: tuple[int, ...] = ()  # further outputs, alive until the end
    traced: bool = False  # from a module, whose maps may meet with different jumps
    computed_weights: bool = False  # weights are computed from others in the forward pass
    gradient_cut: bool = False  # by detach() or no_grad() within the forward pass
    stop: Stop | None = None  # the graph ends before the module does

    @classmethod
    def of(cls, block: Block, shape: Shape) -> LayerGraph:
        """The graph of one block on an input of `shape` (channels, height, width).

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
        """Lay out `block` behind the nodes `sources`; returns the index of its output node."""
        if isinstance(block, Layer):
            nodes = self.nodes
            try:
                shape = block.output_shape(*[nodes[source].shape for source in sources])
            except ShapeError as error:
                raise ShapeError(error.reason, path) from None
            nodes.append(Node(path or block.kind, block, sources, shape))
            return len(nodes) - 1
        prefix = f"{path}." if path else ""
        if isinstance(block, Chain):
            (at,) = sources
            for name, child in block.children:
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

    def inputs(self, node: Node) -> list[Shape]:
        """Shapes of the inputs of `node`."""
        nodes = self.nodes
        return [nodes[i].shape for i in node.inputs]

    @property
    def image(self) -> int:
        """The index of the input in whose pixels fields are: of several the first of most axes."""
        inputs = [index for index, node in enumerate(self.nodes) if isinstance(node.layer, Input)]
        return max(inputs, key=lambda index: len(self.nodes[index].shape))

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)
