"""Recognizes depth-to-space written as views: one axis at a time, after a channel selection."""

from __future__ import annotations

from math import prod

from fieldspec.architectures.adoption.graph.plan import Vertex, Vertices
from fieldspec.blocks.layers import DepthToSpace, SelectChannels

Moves = dict[tuple[int, ...], list[int]]  # for each position of a patch, the input channels that move there


def join_patches(plan: Vertices) -> None:
    """Replace a sequence of channel selections and depth-to-space that equals a square depth-to-space."""
    readers = plan.readers()
    for vertex in plan.vertices():
        if not isinstance(vertex.layer, DepthToSpace):
            continue
        row = _row(vertex, readers)
        channels = row[0].inputs[0].shape[0]
        block = _block(row)
        if len(row) > 1 and len(set(block)) == 1 and channels % prod(block) == 0:
            whole = DepthToSpace(block)
            if _moved(row, channels) == _moved([whole], channels):
                vertex.layer, vertex.inputs = whole, row[0].inputs


def _row(vertex: Vertex, readers: dict[int, list[Vertex]]) -> list[Vertex]:
    """A vertex and those directly before it that only move channels, in execution order."""
    row = [vertex]
    while len(row[0].inputs) == 1:
        (before,) = row[0].inputs
        if not isinstance(before.layer, DepthToSpace | SelectChannels) or len(readers[id(before)]) > 1:
            break
        row.insert(0, before)
    return row


def _block(row: list[Vertex]) -> tuple[int, ...]:
    blocks = [vertex.layer.block for vertex in row if isinstance(vertex.layer, DepthToSpace)]
    return tuple(prod(sizes) for sizes in zip(*blocks, strict=True)) if blocks else (0, 1)


def _moved(row: list[Vertex] | list[DepthToSpace], channels: int) -> Moves:
    """Where each channel of a single unit is moved."""
    units: Moves = {(): list(range(channels))}
    for one in row:
        layer = one.layer if isinstance(one, Vertex) else one
        if isinstance(layer, SelectChannels):
            units = {place: [held[index] for index in layer.index] for place, held in units.items()}
        elif isinstance(layer, DepthToSpace):
            units = _spread(units, layer.block)
    return units


def _spread(units: Moves, block: tuple[int, ...]) -> Moves:
    patch = prod(block)
    made: Moves = {}
    for place, held in units.items():
        for at in range(patch):
            steps: list[int] = []
            rest = at
            for size in reversed(block):
                steps.insert(0, rest % size)
                rest //= size
            old = place or (0,) * len(block)
            new = tuple(before * size + step for before, size, step in zip(old, block, steps, strict=True))
            made[new] = held[at::patch]
    return made
