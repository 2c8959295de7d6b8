"""Rewrites a network's vertices to the forms of the language: padding in convolutions, shuffles, nested concats."""

from __future__ import annotations

from dataclasses import replace

from fieldspec.architectures.adoption.graph.patches import join_patches
from fieldspec.architectures.adoption.graph.plan import Vertex, Vertices, behind
from fieldspec.blocks.layers import (
    Activation,
    Concat,
    Constant,
    Conv,
    DepthToSpace,
    Dropout,
    Flatten,
    GlobalPool,
    Linear,
    Pad,
    PadChannels,
    SelectChannels,
    Shuffle,
    Sides,
    SpaceToDepth,
)
from fieldspec.blocks.library.channels import shuffle


def tidied(plan: Vertices) -> Vertices:
    """Rewrite the network; vertices that remain inexpressible are added to its problems."""
    _pad_channels(plan)
    _fuse_padding(plan)
    join_patches(plan)
    _find_shuffles(plan)
    _join_pools(plan)
    _nest_concats(plan)
    _flatten_the_end(plan)
    _drop_flattenings(plan)
    for vertex in plan.vertices():
        if isinstance(vertex.layer, Constant):
            plan.tell(vertex, "constant", "a constant that is not a weight")
        elif type(vertex.layer) is SelectChannels and not isinstance(vertex.layer.index, range):
            plan.tell(vertex, "index", "channels that are not contiguous")
        elif isinstance(vertex.layer, DepthToSpace | SpaceToDepth) and len(set(vertex.layer.block)) > 1:
            plan.tell(vertex, "view", "patches that are not square")
    return plan


def _pad_channels(plan: Vertices) -> None:
    """Recognize zero channels before and after the channels of a map."""
    for vertex in plan.vertices():
        held = [one for one in vertex.inputs if not isinstance(one.layer, Constant)]
        if isinstance(vertex.layer, Concat) and vertex.is_padding and len(held) == 1:
            at = vertex.inputs.index(held[0])
            before, after = (
                sum(one.shape[0] for one in some) for some in (vertex.inputs[:at], vertex.inputs[at + 1 :])
            )
            vertex.layer, vertex.inputs = PadChannels(before, after), held


def _fuse_padding(plan: Vertices) -> None:
    """Move zero padding into the convolutions that read it, if nothing else reads it."""
    readers = plan.readers()
    for vertex in plan.vertices():
        layer = vertex.layer
        if not isinstance(layer, Pad) or layer.mode != "constant":
            continue
        padded = [_padded(reader, layer.padding) for reader in readers[id(vertex)]]
        if None in padded:
            continue
        for reader, conv in zip(readers[id(vertex)], padded, strict=True):
            if conv is not None:
                reader.layer, reader.inputs = conv, vertex.inputs


def _padded(reader: Vertex, sides: Sides) -> Conv | None:
    conv = reader.layer
    if not isinstance(conv, Conv):
        return None
    both = zip(conv.padding, sides, strict=True)
    padding = tuple((own[0] + more[0], own[1] + more[1]) for own, more in both)
    return None if min(map(min, padding)) < 0 else replace(conv, padding=padding)


def _find_shuffles(plan: Vertices) -> None:
    """Recognize interleaved channel selections from one map as a shuffle followed by contiguous slices."""
    by_source: dict[int, list[Vertex]] = {}
    for vertex in plan.vertices():
        if type(vertex.layer) is SelectChannels:
            by_source.setdefault(id(vertex.inputs[0]), []).append(vertex)
    for chosen in by_source.values():
        source = chosen[0].inputs[0]
        made = _shuffle_of(chosen, source.shape[0])
        if made is None:
            continue
        layer, firsts = made
        shuffled = Vertex(layer, [source], source.shape, chosen[0].path, min(one.at for one in chosen) - 0.25)
        for vertex, first in zip(chosen, firsts, strict=True):
            vertex.inputs = [shuffled]
            vertex.layer = SelectChannels(range(first, first + vertex.shape[0]))
            if vertex.shape == source.shape:
                _replace(plan, vertex, shuffled)


def _shuffle_of(chosen: list[Vertex], channels: int) -> tuple[Shuffle, list[int]] | None:
    """The shuffle after which all selections are contiguous, and the first channel of each; None if there is none."""
    indices = [tuple(vertex.layer.index) for vertex in chosen if isinstance(vertex.layer, SelectChannels)]
    step = indices[0][1] - indices[0][0] if len(indices[0]) > 1 else 0
    if step < 2 or channels % step:
        return None
    made = shuffle(channels, groups=channels // step)
    assert isinstance(made, Shuffle)
    order = list(made.index)
    firsts = [order.index(index[0]) for index in indices]
    fits = all(order[at : at + len(index)] == list(index) for at, index in zip(firsts, indices, strict=True))
    return (made, firsts) if fits else None


def _replace(plan: Vertices, vertex: Vertex, other: Vertex) -> None:
    """Redirect all readers of one vertex to another."""
    for reader in plan.vertices():
        reader.inputs = [other if source is vertex else source for source in reader.inputs]
    if plan.output is vertex:
        plan.output = other


def _join_pools(plan: Vertices) -> None:
    """Merge the mean and the maximum of a map, concatenated, into one pooling."""
    for vertex in plan.vertices():
        types = [pool.layer.type for pool in vertex.inputs if isinstance(pool.layer, GlobalPool)]
        if not isinstance(vertex.layer, Concat) or types != ["avg", "max"] or len(vertex.inputs) > 2:
            continue
        mean, highest = vertex.inputs
        if mean.inputs == highest.inputs:
            vertex.layer, vertex.inputs = GlobalPool("catavgmax", len(mean.shape) - 1), mean.inputs


def _nest_concats(plan: Vertices) -> None:
    """Let a concat that starts with the operands of another read that one, as in DenseNet, where it is written flat."""
    known: dict[tuple[int, ...], Vertex] = {}
    for vertex in plan.vertices():
        if not isinstance(vertex.layer, Concat):
            continue
        operands = tuple(map(id, vertex.inputs))
        for count in range(len(operands) - 1, 1, -1):
            if operands[:count] in known:
                vertex.inputs = [known[operands[:count]], *vertex.inputs[count:]]
                break
        known.setdefault(operands, vertex)


def _flatten_the_end(plan: Vertices) -> None:
    """Put a flatten before the linear layers at the end, so that they read a vector."""
    tail: list[Vertex] = []
    readers = plan.readers()
    for vertex in behind(plan.output):
        if len(readers[id(vertex)]) > 1 or not (vertex.is_linear or isinstance(vertex.layer, Activation | Dropout)):
            break
        tail.append(vertex)
    while tail and not tail[-1].is_linear:
        tail.pop()
    if not tail or max(tail[-1].inputs[0].shape[1:], default=2) > 1:
        return
    first = tail[-1]
    (source,) = first.inputs
    if isinstance(source.layer, Dropout) and len(readers[id(source)]) == 1:  # element-wise, flat or not
        tail.append(source)
        first, (source,) = source, source.inputs
    if not isinstance(first.layer, Flatten):
        first.inputs = [Vertex(Flatten(), [source], (source.shape[0],), first.path, first.at - 0.5)]
    for vertex in tail:
        if isinstance(vertex.layer, Conv):
            layer = vertex.layer
            vertex.layer = Linear(layer.in_channels, layer.out_channels, layer.bias)
        elif isinstance(vertex.layer, Flatten) and vertex is not first:
            continue  # already a vector
        vertex.shape, vertex.is_linear = vertex.shape[:1], False


def _drop_flattenings(plan: Vertices) -> None:
    """Remove a flatten of a one-unit map before layers that are not linear."""
    for vertex in plan.vertices():
        if isinstance(vertex.layer, Flatten) and vertex.is_linear:
            _replace(plan, vertex, vertex.inputs[0])
