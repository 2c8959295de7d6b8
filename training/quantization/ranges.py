"""Quantization ranges: least-squares clipping, and shared ranges of tensors between which values only move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fieldspec.analysis.inference.lowering.operators import FIXED, MOVING, Lowered

Range = tuple[float, float]


def least_squares_range(values: npt.NDArray[np.float32], extremes: Range) -> Range:
    """Shrink a range to the part that quantizes with the least squared error, rounding and clipping included.

    Example:
        >>> values = np.concatenate([np.linspace(0, 1, 10_000), [8.0]]).astype(np.float32)
        >>> low, high = least_squares_range(values, (0.0, 8.0))
        >>> low == 0.0 and 1.0 <= high < 8.0
        True
    """
    best, least = extremes, np.inf
    for part in np.linspace(0.3, 1.0, 36):
        low, high = extremes[0] * part, extremes[1] * part
        step = max(high - low, 1e-9) / 255
        zero = np.round(-low / step)
        rounded = (np.clip(np.round(values / step) + zero, 0, 255) - zero) * step
        loss = float(np.mean((rounded - values) ** 2))
        if loss < least:
            best, least = (float(low), float(high)), loss
    return best


def scale_groups(lowered: Lowered) -> list[int]:
    """For each tensor, the tensor that represents all with the same scale: operators that only move values share it."""
    group = list(range(len(lowered.shapes)))

    def root(tensor: int) -> int:
        while group[tensor] != tensor:
            tensor = group[tensor]
        return tensor

    for operator in lowered.operators:
        if operator.kind in MOVING:
            for tensor in operator.inputs:
                group[root(tensor)] = root(operator.output)
    return [root(tensor) for tensor in range(len(group))]


def united(lowered: Lowered, ranges: list[Range]) -> list[Range]:
    """Merge the ranges of tensors that share a scale, as those before and after pooling, padding, concat, resizing."""
    groups = scale_groups(lowered)
    joint: dict[int, Range] = {}
    for group, (low, high) in zip(groups, ranges, strict=True):
        lowest, highest = joint.get(group, (low, high))
        joint[group] = (min(low, lowest), max(high, highest))
    return [joint[group] for group in groups]


def fixed_ranges(lowered: Lowered) -> dict[int, Range]:
    """Ranges of the tensors whose scale the engine fixes, outputs of sigmoid, softmax and tanh, by tensor index."""
    groups = scale_groups(lowered)
    fixed: dict[int, Range] = {}
    for operator in lowered.operators:
        if operator.kind in FIXED:
            fixed[groups[operator.output]] = (-1.0, 127 / 128) if operator.kind == "tanh" else (0.0, 255 / 256)
    return {tensor: fixed[group] for tensor, group in enumerate(groups) if group in fixed}
