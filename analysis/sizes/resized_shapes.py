"""Shapes of a network's maps at other input sizes."""

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

PASSING = (*PASSED_THROUGH, PadChannels, SelectChannels)  # keep any map size
SEEN_ONCE = (MatMul, Mix, Opaque)  # layers of traced modules that store their output shape
SIZED = (Expand, Resize, Slice)  # layers with a given size, which may be that of the image


class FixedShapeError(PlacedError):
    """The shape of a traced layer is known for one input size only."""


class ResizedGraph:
    """Computes the shapes of a graph's layers at different input sizes.

    Args:
        graph: The graph.
        same_ratios: Require that a resizing to another map's size keeps its scale factor.
    """

    def __init__(self, graph: LayerGraph, *, same_ratios: bool = False) -> None:
        self.graph, self.same_ratios = graph, same_ratios
        self.followed = followed_sizes(graph)
        self.before = [graph.inputs(node) for node in graph.nodes]
        self.passing = [self._passes(node, before) for node, before in zip(graph.nodes, self.before, strict=True)]

    def shapes(self, input: Shape) -> list[Shape]:
        """Output shape of every layer for another input shape.

        Raises:
            ShapeError: A layer does not accept its input; names the layer.
            FixedShapeError: The shape of a layer is unknown for another input; names the layer.
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
            if isinstance(node.layer, Input):  # other inputs of the image's size grow with it
                shapes.append((node.shape[0], *input[1:]) if node.shape[1:] == image[1:] else node.shape)
            elif _is_weighted(node, before, now):
                raise ShapeError("it has a weight for each unit it reads", node.id)
            elif index in self.followed:
                shapes.append((node.shape[0], *shapes[self.followed[index]][1:]))
                if self.same_ratios and not _is_alike(node, before[0], now[0], shapes[-1]):
                    sizes = [size_text(shape[1:]) for shape in (now[0], shapes[-1], before[0], node.shape)]
                    raise ShapeError(
                        "it takes the size of another map: {} becomes {} here, but {} became {}".format(*sizes), node.id
                    )
            elif passes:
                shapes.append((node.shape[0], *now[0][1:]))
            elif passes is None and (isinstance(node.layer, SIZED) or not (now == before or node.layer.covers(before))):
                raise FixedShapeError("its shape is known only for the input it was traced with", node.id)
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

        A traced layer whose formula does not give the shape it had (a linear layer over the channels of a map) works
        unit by unit if it reads along no axis: its output has the size of its input.
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
    """Whether a resizing has the same scale as before."""
    if isinstance(node.layer, Resize) and node.layer.align_corners:  # whose scale is that of the sizes minus one
        return (before, node.shape) == (now, made)
    sizes = zip(before[1:], node.shape[1:], now[1:], made[1:], strict=True)
    return all(was * after == size * is_now for was, size, is_now, after in sizes)


def _is_weighted(node: Node, before: list[Shape], now: list[Shape]) -> bool:
    """Whether a linear layer along whole axes gets a number of units for which it has no weights."""
    layer = node.layer
    if not isinstance(layer, Mix) or not layer.products:
        return False
    return any(before[0][1 + axis] != now[0][1 + axis] for axis in layer.reduced)
