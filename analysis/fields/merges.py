"""The field of a merge: the union of its operands' windows."""

from __future__ import annotations

from math import prod

from fieldspec.analysis.fields.channel_fields import (
    LOST,
    MAX_PHASES,
    RANK,
    Field,
    Status,
    at_best_a_bound,
    channels_of,
    each,
    exact_union,
    gathered,
    grouped,
    together,
    unlike,
)
from fieldspec.analysis.fields.transfer import read_through, seeing_all
from fieldspec.analysis.fields.windows import NOTHING, AxisField, alone, in_step, listed, union
from fieldspec.blocks.errors import MergeError
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.blocks.graph import LayerGraph, Node
from fieldspec.blocks.layers import Add, Concat, Join, MatMul, Multiply, Opaque


def merged(node: Node, graph: LayerGraph, fields: list[Field]) -> Field:
    """Union of the operands' windows; operands without a position only contribute that the whole input is seen.

    For maps concatenated along an axis it is a bound, unless the pattern continues beyond the ends: windows at seams
    and ends read no more than the continued pattern.
    """
    field = _merged(node, graph, fields)
    return at_best_a_bound(field) if isinstance(node.layer, Join) and not node.layer.goes_on else field


def _merged(node: Node, graph: LayerGraph, fields: list[Field]) -> Field:
    operands = [fields[i] for i in node.inputs]
    if _lie_on_each_other(node, graph, operands):
        return exact_union([field.axes for field in operands])
    if type(node.layer) is Opaque or any(field.lost for field in operands):
        return LOST
    if isinstance(node.layer, Join):
        operands = _end_to_end(node, node.layer, graph, operands)
    elif isinstance(node.layer, MatMul):
        operands = [_operand(node, node.layer, field, at) for at, field in enumerate(operands)]
    size = node.shape[1:]
    operands, spread = _spread(node, graph, operands)
    placed = [(i, field) for i, field in zip(node.inputs, operands, strict=True) if field.has_position]
    since = next((field.global_since for field in operands if field.global_since), None) or spread
    if not placed:
        return _without_positions(operands)._replace(global_since=since)
    first = placed[0][1]
    if all(field is first or field == first for _, field in placed) and first.channels is None:
        alike = len(placed) == len(operands) or not isinstance(node.layer, Concat)
        if alike:
            return first if since == first.global_since else seeing_all(first, str(since))
    if any(field.status == "unknown" for _, field in placed):
        return Field((), "unknown", since)
    in_steps = [all(map(in_step, field.axes, first.axes)) for _, field in placed]
    if not all(in_steps):
        if graph.traced:
            return _enumerated([field for _, field in placed], size, since)
        other = placed[in_steps.index(False)]
        raise _different_jumps(node, graph, placed[0], other)
    if isinstance(node.layer, Concat):
        kinds, of = _side_by_side([graph.nodes[i].shape[0] for i in node.inputs], operands)
        field = gathered(kinds, of)
    else:
        field = _on_each_other(node, graph, placed)
    return field if since == field.global_since or since is None else seeing_all(field, since)


def _lie_on_each_other(node: Node, graph: LayerGraph, operands: list[Field]) -> bool:
    """Fast check that all operands are exact and aligned, unit by unit and channel by channel, as nearly all are."""
    if type(node.layer) not in (Add, Multiply):
        return False
    first, size = operands[0].axes, node.shape[1:]
    for i, field in zip(node.inputs, operands, strict=True):
        if field.status != "exact" or field.channels is not None or not field.has_position:
            return False
        if graph.nodes[i].shape[1:] != size:
            return False
        for axis, other in zip(field.axes, first, strict=True):
            if not axis.advance or not in_step(axis, other):
                return False
    return True


def _spread(node: Node, graph: LayerGraph, operands: list[Field]) -> tuple[list[Field], str | None]:
    """The operands as the units of the merge read them, and the id of the first that is broadcast along some axis.

    An operand broadcast along an axis is the same at all its units: it keeps its windows along the other axes, and has
    no position if it is broadcast along all of them.
    """
    if all(_is_plain(node, graph.nodes[i], field) for i, field in zip(node.inputs, operands, strict=True)):
        return operands, None
    size = node.shape[1:] or (1,) * max(len(field.axes) for field in operands)  # a vector is one unit
    held = [
        _axes_held(node, graph.nodes[i].shape[1:], size, field) for i, field in zip(node.inputs, operands, strict=True)
    ]
    models = [
        next((field.axes[axis] for field, has in zip(operands, held, strict=True) if has[axis] and field.axes), None)
        for axis in range(len(size))
    ]
    made, spread = [], None
    for i, field, has in zip(node.inputs, operands, held, strict=True):
        lacks = [model is not None and not own for own, model in zip(has, models, strict=True)]
        if field.has_position and field.axes and any(lacks):
            spread = spread or graph.nodes[i].id
            field = _unplaced(field, lacks, models) if any(has) else field._replace(has_position=False)
        made.append(field)
    return made, spread


def _is_plain(node: Node, operand: Node, field: Field) -> bool:
    """Fast check that an operand has one unit per unit of the merge, as nearly all do."""
    return field.has_position and operand.shape[1:] == node.shape[1:] and 0 not in [axis[1] for axis in field.axes]


def _axes_held(node: Node, units: tuple[int, ...], size: tuple[int, ...], field: Field) -> list[bool]:
    """For each axis, whether an operand has one unit per unit of the merge."""
    if not field.has_position:
        return [False] * len(size)
    if not field.axes:
        return [True] * len(size)
    units = size if isinstance(node.layer, MatMul) else units or (1,) * len(size)
    return [own == of and axis.advance > 0 for own, of, axis in zip(units, size, field.axes, strict=True)]


def _unplaced(field: Field, lacks: list[bool], models: list[AxisField | None]) -> Field:
    """Empty windows along the axes where `lacks` is true, in step with the windows of `models`."""

    def without(kind: Field) -> Field:
        axes = [
            AxisField(model.period, model.advance, (NOTHING,) * model.period) if lack and model else axis
            for axis, lack, model in zip(kind.axes, lacks, models, strict=True)
        ]
        return kind._replace(axes=tuple(axes))

    return each(field, without)


def _operand(node: Node, product: MatMul, field: Field, at: int) -> Field:
    """The field of an operand as a product of maps reads it: the channels of one head, or the one that is looked up."""
    if field.channels is not None:
        count, groups = len(field.channels.of), product.groups[at] if product.groups else 1
        field = at_best_a_bound(field) if node.shape[0] % groups else grouped(field, count, node.shape[0], groups)
    reads = product.reads[at]
    if reads == "whole":
        return seeing_all(field, node.id)._replace(has_position=False)
    return field if reads == "own" else read_through(field, reads)


def _end_to_end(node: Node, layer: Join, graph: LayerGraph, operands: list[Field]) -> list[Field]:
    """What each of several concatenated maps contributes: its units in their positions, and nothing elsewhere."""
    longest = max(range(len(operands)), key=lambda at: prod(graph.nodes[node.inputs[at]].shape))
    jumps = operands[longest].jump
    made = [_operand(node, layer, field, at) for at, field in enumerate(operands)]

    def in_row(kind: Field) -> Field:
        axes = [
            axis if read.period == 1 else AxisField(units, round(units * jump), tuple(map(axis.unit, range(units))))
            for axis, read, units, jump in zip(kind.axes, layer.row, node.shape[1:], jumps, strict=True)
        ]
        return kind._replace(axes=tuple(axes))

    known = bool(operands[longest].axes) and operands[longest].has_position
    return [each(field, in_row) if known and field.axes and field.has_position else field for field in made]


def _side_by_side(channels: list[int], operands: list[Field]) -> tuple[list[Field], list[int]]:
    kinds: list[Field] = []
    of: list[int] = []
    for count, field in zip(channels, operands, strict=True):
        own, before = channels_of(field, count), len(kinds)
        of += [before + kind for kind in own.of] if before else own.of
        kinds += own.kinds
    return kinds, of


def _on_each_other(node: Node, graph: LayerGraph, placed: list[tuple[int, Field]]) -> Field:
    """Union of operands, channel by channel if channels differ; a single channel is broadcast."""
    is_product = isinstance(node.layer, MatMul)  # its operands are mixed already, each channel group on its own
    if (node.layer.mixes_channels and not is_product) or all(field.channels is None for _, field in placed):
        return unlike([field for _, field in placed]) if len(placed) > 1 else placed[0][1]._replace(channels=None)
    channels = node.shape[0]
    counts = [
        channels if is_product else 1 if field.channels is None else graph.nodes[i].shape[0] for i, field in placed
    ]  # the number of identical channels does not matter
    if set(counts) - {1, channels}:
        return at_best_a_bound(together([field for _, field in placed]))
    met = [channels_of(field, count) for count, (_, field) in zip(counts, placed, strict=True)]
    numbers: dict[tuple[int, ...], int] = {}
    of = [
        numbers.setdefault(tuple([one.of[channel if len(one.of) > 1 else 0] for one in met]), len(numbers))
        for channel in range(channels)
    ]
    kinds = [together([one.kinds[kind] for one, kind in zip(met, pair, strict=True)]) for pair in numbers]
    return gathered(kinds, of)


def _enumerated(fields: list[Field], size: tuple[int, ...], since: str | None) -> Field:
    """Union over all units of this map: with different jumps no pattern repeats."""
    if max(size) > MAX_PHASES:
        return Field((), "unknown", since)
    axes = tuple([listed([field.axes[axis] for field in fields], units) for axis, units in enumerate(size)])
    status: Status = max((field.status for field in fields), key=RANK.__getitem__)
    return Field(axes, "whole_input" if since and status == "exact" else status, since)


def _different_jumps(node: Node, graph: LayerGraph, first: tuple[int, Field], other: tuple[int, Field]) -> MergeError:
    (one, one_field), (two, two_field) = first, other
    return MergeError(
        f"{graph.nodes[one].id} (jump {side_text(one_field.jump)}) and {graph.nodes[two].id} (jump "
        f"{side_text(two_field.jump)}) have the same map {size_text(node.shape[1:])} but different jumps, so "
        "their units are not aligned. Give both the same strides.",
        node.id,
    )


def _without_positions(fields: list[Field]) -> Field:
    first = fields[0]
    if all(not field.axes and field.status != "unknown" for field in fields):
        return first._replace(channels=None)  # in a network on vectors
    if any(not field.axes for field in fields):
        return Field((), "unknown", has_position=False)
    axes = tuple(
        alone(union(field.axes[i].windows[0] for field in fields), max(field.axes[i].jump for field in fields))
        for i in range(len(first.axes))
    )
    return Field(axes, max((field.status for field in fields), key=RANK.__getitem__), has_position=False)
