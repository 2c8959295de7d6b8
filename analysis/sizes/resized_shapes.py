"""The shapes of a network's maps at other input sizes than its own."""

from __future__ import annotations

from fieldspec.analysis.fields.receptive_fields import PASSED_THROUGH
from fieldspec.analysis.sizes.followed_sizes import followed_sizes
from fieldspec.blocks.errors import PlacedError, ShapeError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import (
    Expand,
    Input,
    MatMul,
    Mix,
    Opaque,
    PadChannels,
    Resize,
    SelectChannels,
    Shape,
    Slice,
)

PASSING = (*PASSED_THROUGH, PadChannels, SelectChannels)  # at any map size
SEEN_ONCE = (MatMul, Mix, Opaque)  # layers of traced modules that hold the shape they returned
SIZED = (Expand, Resize, Slice)  # layers that were given a size, which may have been the image's own


class FixedShapeError(PlacedError):
    """A layer of a traced module whose shape is known for one input size only."""


class ResizedGraph:
    """A graph whose layers compute their shapes at one input size after another.

    Args:
        graph: Its layers.
        same_ratios: Where the size of another map is taken, this must be as many times the map's own as it was before.
    """

    def __init__(self, graph: LayerGraph, *, same_ratios: bool = False) -> None:
        self.graph, self.same_ratios = graph, same_ratios
        self.followed = followed_sizes(graph)
        self.before = [graph.inputs(node) for node in graph.nodes]
        self.passing = [self._passes(node, before) for node, before in zip(graph.nodes, self.before, strict=True)]

    def shapes(self, input: Shape) -> list[Shape]:
        """Every layer's output shape for another input.

        Raises:
            ShapeError: A layer does not fit what it is given; names the layer.
            FixedShapeError: What a layer makes of another input is not known; names the layer.
        Example:
            >>> from fieldspec.blocks import conv
            >>> ResizedGraph(LayerGraph.of(conv(3, out_channels=8, stride=2), (3, 32, 32))).shapes((3, 32, 65))[-1]
            (8, 16, 33)
        """
        shapes: list[Shape] = []
        image = self.graph.nodes[self.graph.image].shape
        if input == image:
            return [node.shape for node in self.graph.nodes]
        for index, (node, before, passes) in enumerate(zip(self.graph.nodes, self.before, self.passing, strict=True)):
            now = [shapes[i] for i in node.inputs]
            if isinstance(node.layer, Input):  # another of the image's size grows with it
                shapes.append((node.shape[0], *input[1:]) if node.shape[1:] == image[1:] else node.shape)
            elif _is_weighted(node, before, now):
                raise ShapeError("it has a weight for each unit that it reads", node.id)
            elif index in self.followed:
                shapes.append((node.shape[0], *shapes[self.followed[index]][1:]))
                if self.same_ratios and not _is_alike(node, before[0], now[0], shapes[-1]):
                    sizes = [size_text(shape[1:]) for shape in (now[0], shapes[-1], before[0], node.shape)]
                    raise ShapeError(
                        "it takes the size of another map: {} becomes {} here, {} became {}".format(*sizes), node.id
                    )
            elif passes:
                shapes.append((node.shape[0], *now[0][1:]))
            elif passes is None and (isinstance(node.layer, SIZED) or not (now == before or node.layer.covers(before))):
                raise FixedShapeError("its shape is only known for the input it was traced with", node.id)
            elif passes is None or now == before:
                shapes.append(node.shape)
            else:
                try:
                    shapes.append(node.layer.output_shape(*now))
                except ShapeError as error:
                    raise ShapeError(error.reason, node.id) from None
        return shapes

    def _passes(self, node: Node, before: list[Shape]) -> bool | None:
        """Whether a layer keeps the size of any map; None if its shape is known for one input size only.

        A traced layer whose formula does not give the shape it had (a linear layer over the channels of a map) reads
        unit by unit if it reads along no axis: its map is as large as the one it reads.
        """
        layer = node.layer
        alike = len(before) == 1 and len(node.shape) == len(before[0]) > 1 and node.shape[1:] == before[0][1:]
        if isinstance(layer, PASSING):
            return alike
        if not self.graph.traced:
            return False
        if isinstance(layer, SIZED) and not (isinstance(layer, Resize) and layer.size is None):
            return None
        if isinstance(layer, SEEN_ONCE):
            return True if alike and isinstance(layer, Mix) and layer.axes(before, node.shape) is None else None
        try:
            if not before or layer.output_shape(*before) == node.shape:
                return False
        except ShapeError:
            pass
        return True if alike and layer.axes(before, node.shape) is None else None


def _is_alike(node: Node, before: Shape, now: Shape, made: Shape) -> bool:
    """Whether a resizing maps units to units as it did before."""
    if isinstance(node.layer, Resize) and node.layer.align_corners:  # whose steps are of one less than both sizes
        return (before, node.shape) == (now, made)
    sizes = zip(before[1:], node.shape[1:], now[1:], made[1:], strict=True)
    return all(was * after == size * is_now for was, size, is_now, after in sizes)


def _is_weighted(node: Node, before: list[Shape], now: list[Shape]) -> bool:
    """Whether a linear layer along whole axes is given another number of units than it has weights for."""
    layer = node.layer
    if not isinstance(layer, Mix) or not layer.products:
        return False
    return any(before[0][1 + axis] != now[0][1 + axis] for axis in layer.reduced)
