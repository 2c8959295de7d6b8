"""Settings in their usual notation: one number for equal axes, norms by name."""

from __future__ import annotations

from typing import Any

from fieldspec.blocks.layers import Activation, BatchNorm, GroupNorm, Layer, LayerNorm, Normalization, Sides, Sizes
from fieldspec.blocks.settings import NORM_DEFAULTS, plain_act, sides


def numbers(sizes: Sizes) -> int | list[int]:
    """A single number if all axes have the same.

    Example:
        >>> numbers((3, 3)), numbers((1, 7))
        (3, [1, 7])
    """
    return sizes[0] if len(set(sizes)) == 1 else list(sizes)


def padding(given: Sides, kernel: Sizes, dilation: Sizes, stride: Sizes) -> Any:
    """Padding as a setting; None if it is the default for the window.

    Example:
        >>> padding(((1, 1), (1, 1)), (3, 3), (1, 1), (1, 1)), padding(((0, 0), (0, 0)), (3, 3), (1, 1), (1, 1))
        (None, 0)
    """
    if given == sides(None, kernel, dilation):
        return None
    if set(stride) == {1} and given == sides("same", kernel, dilation):
        return "same"
    return surround(given)


def surround(given: Sides) -> Any:
    """Padding as a setting, without a default.

    Example:
        >>> surround(((1, 1), (1, 1))), surround(((0, 1), (0, 1)))
        (1, [[0, 1], [0, 1]])
    """
    if all(before == after for before, after in given):
        return numbers(tuple(before for before, _ in given))
    return [list(side) for side in given]


def act_word(layer: Layer | None) -> Any:
    """An activation as a setting; `none` if there is none.

    Example:
        >>> act_word(Activation("silu")), act_word(Activation("leaky_relu", 0.2)), act_word(None)
        ('silu', {'leaky_relu': 0.2}, 'none')
    """
    if not isinstance(layer, Activation):
        return "none"
    return plain_act({"leaky_relu": layer.slope}) if layer.function == "leaky_relu" else layer.function


def norm_word(layer: Normalization) -> Any:
    """A normalization as a setting.

    Example:
        >>> norm_word(BatchNorm(8)), norm_word(BatchNorm(8, eps=0.001)), norm_word(GroupNorm(8, groups=4))
        ('batch', {'batch': {'eps': 0.001}}, {'group': 4})
    """
    kind, options = _options(layer)
    given = {key: value for key, value in options.items() if value != NORM_DEFAULTS[kind][key]}
    if not given:
        return kind
    return {kind: given["groups"] if given.keys() == {"groups"} else given}


def _options(layer: Normalization) -> tuple[str, dict[str, Any]]:
    if isinstance(layer, BatchNorm):
        return "batch", {"eps": layer.eps, "momentum": layer.momentum}
    if isinstance(layer, GroupNorm):
        return "group", {"groups": layer.groups, "eps": layer.eps}
    assert isinstance(layer, LayerNorm)  # one of three classes
    return "layer", {"eps": layer.eps}
