"""Placement of buffers in an arena: the live set, and LiteRT-Micro's greedy planner."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fieldspec.analysis.inference.lowering.operators import Buffer, Lowered, OperatorKind

IN_PLACE: tuple[OperatorKind, ...] = ("depthwise_conv",)


def live_bytes(buffers: Sequence[Buffer], steps: int) -> list[int]:
    """Bytes needed at each step; step 0 is before the first operator."""
    changes = [0] * (steps + 2)
    for buffer in buffers:
        changes[buffer.first] += buffer.size
        changes[buffer.last + 1] -= buffer.size
    live, now = [], 0
    for change in changes[:-1]:
        now += change
        live.append(now)
    return live


def live_peak(lowered: Lowered, order: Sequence[int] | None = None) -> int:
    """Peak bytes of live tensors in an order of the operators: a lower bound for planners that only place tensors."""
    return max(live_bytes(lowered.buffers(order), len(lowered.operators)))


def live_peak_in_place(lowered: Lowered, kinds: Iterable[OperatorKind] = IN_PLACE) -> int:
    """Like `live_peak`, for an engine whose operators of some kinds overwrite their input if nothing else reads it."""
    steps = len(lowered.operators)
    sizes, buffers = lowered.sizes, lowered.buffers()
    live = live_bytes(buffers, steps)
    for step, operator in enumerate(lowered.operators, 1):
        source = operator.inputs[0]
        if operator.kind in kinds and buffers[source].last == step and source not in lowered.outputs:
            live[step] -= min(sizes[source], sizes[operator.output])
    return max(live)


def place(buffers: Sequence[Buffer], sequence: Iterable[int]) -> list[int]:
    """Offsets of buffers placed in the given sequence, each into the first gap that is large enough.

    Example:
        >>> place([Buffer(16, 0, 1), Buffer(48, 1, 2), Buffer(16, 2, 3)], [1, 2, 0])
        [48, 0, 48]
    """
    offsets = [0] * len(buffers)
    placed: list[int] = []
    for index in sequence:
        buffer = buffers[index]
        first, last, size = buffer.first, buffer.last, buffer.size
        taken = sorted(
            (offsets[other], offsets[other] + buffers[other].size)
            for other in placed
            if buffers[other].first <= last and first <= buffers[other].last
        )
        at = 0
        for start, end in taken:
            if start - at >= size:
                break
            at = max(at, end)
        offsets[index] = at
        placed.append(index)
    return offsets


def height(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Bytes of arena that the offsets require."""
    return max((offset + buffer.size for buffer, offset in zip(buffers, offsets, strict=True)), default=0)


def greedy_sequence(buffers: Sequence[Buffer]) -> list[int]:
    """The sequence of LiteRT-Micro's planner: largest first, ties by highest index."""
    return sorted(range(len(buffers)), key=lambda index: (-buffers[index].size, -index))


def greedy_head(lowered: Lowered, order: Sequence[int] | None = None) -> int:
    """Bytes of the head of LiteRT-Micro's arena by its greedy planner, including inputs and outputs."""
    buffers = lowered.buffers(order)
    return height(buffers, place(buffers, greedy_sequence(buffers)))
