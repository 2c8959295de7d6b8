"""timm's feature levels of a spec. Free of torch."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from fieldspec.analysis.fields.receptive_fields import Field
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.layers import Shape


def feature_levels(spec: ArchitectureSpec) -> list[dict[str, Any]]:
    """timm's `feature_info`: channels, reduction and module of each feature level.

    The levels are the tapped items, those of a decoder as well, whose reductions decrease again.

    The reduction is the jump times the smallest power of two for which ``map > input / (2 * reduction)`` at the
    spec's input: after an unpadded layer the map can be 4x4 of 32x32 at jump 4, and 8 is declared. It is 0.5 for a map
    twice as large as the image.
    """
    levels: list[dict[str, Any]] = []
    for item, output in zip(spec.items, spec.outputs, strict=True):
        if item.tap:
            shape = spec.graph.nodes[output].shape
            reduction = _reduction(spec.fields[output], shape, spec.input)
            whole = int(reduction) if reduction == int(reduction) else float(reduction)
            levels.append({"num_chs": shape[0], "reduction": whole, "module": f"layers.{item.id}"})
    return levels


def _reduction(field: Field, shape: Shape, input_shape: Shape) -> int | Fraction:
    """Reduction of a level: the smaller of the two axes'."""
    reductions = []
    for axis, size in enumerate(input_shape[1:]):
        units = shape[1 + axis] if len(shape) > 1 else 1
        reduction = field.jump[axis] or 1 if field.axes else 1  # 0 if all units read the same
        while units * 2 * reduction <= size:
            reduction *= 2
        reductions.append(reduction)
    return min(reductions)
