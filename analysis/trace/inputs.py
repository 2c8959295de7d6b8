"""The given inputs of a network, and how their dimensions may be interpreted: as channels or as axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any

import torch

from fieldspec.analysis.trace.layout import Layout, of_map
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Arrangement, Input, Shape

GivenSizes = Sequence[int] | Sequence[Any] | Mapping[str, Any]
MOST_DIMENSIONS = 4


@dataclass(frozen=True, slots=True)
class InputPlan:
    """The inputs as maps, and the number of axes of the network's maps."""

    inputs: tuple[Input, ...]
    axes: int

    @property
    def is_typed(self) -> bool:
        """Whether the dtype of any input was given."""
        return any(layer.dtype is not None for layer in self.inputs)

    def of_integers(self) -> InputPlan:
        """The same inputs as rows or images of indices, without channels."""
        return planned([
            replace(_arranged(layer, "no_channels" if len(layer.shape) < 3 else "channels_first"), dtype="int64")
            for layer in self.inputs
        ])  # fmt: skip

    def others(self, windows: int) -> Iterator[InputPlan]:
        """Other interpretations, for a network whose windows have a number of axes other than this one's maps."""
        if windows > self.axes and all(len(layer.shape) < 2 for layer in self.inputs):
            yield replace(self, axes=windows)  # such as the generator of a GAN: a vector becomes a map
        more: dict[Arrangement, int] = {"no_channels": 0, "channels_last": 1, "channels_second": 2}
        dimensions = [(arrangement, axes + more[arrangement]) for axes in range(windows, 0, -1) for arrangement in more]
        for arrangement, count in dimensions:
            made = [
                _arranged(layer, arrangement) if len(layer.tensor_shape) == count else layer for layer in self.inputs
            ]
            if tuple(made) != self.inputs:
                yield planned(made)


def planned(inputs: Sequence[Input]) -> InputPlan:
    """A plan for these inputs, with the number of axes of the largest."""
    return InputPlan(tuple(inputs), max(len(layer.shape) - 1 for layer in inputs))


def _arranged(layer: Input, arrangement: Arrangement) -> Input:
    given = layer.tensor_shape
    shapes = {
        "no_channels": (1, *given),
        "channels_last": (*given[-1:], *given[:-1]),
        "channels_second": (*given[1:2], *given[:1], *given[2:]),
        "channels_first": given,
    }
    return replace(layer, shape=shapes[arrangement], arrangement=arrangement)


def layout_of(layer: Input) -> Layout:
    """Layout of an input's map in the tensor (batch, ...) that the network takes."""
    batch, *dims = of_map(layer.shape)
    if layer.arrangement == "no_channels":
        return (batch, *dims[1:])
    if layer.arrangement == "channels_second":
        return (batch, dims[1], dims[0], *dims[2:])
    return (batch, *dims[1:], *dims[:1]) if layer.arrangement == "channels_last" else (batch, *dims)


def inputs_of(input_size: GivenSizes) -> InputPlan:
    """Parse the given input sizes as maps (channels, *axes).

    Raises:
        FieldspecError: Not a size, a size with a dtype, or several of these.
    Example:
        >>> inputs_of({"image": (3, 32, 32), "words": ((50,), "int64")}).inputs[1]
        Input(shape=(1, 50), arrangement='no_channels', dtype='int64', name='words')
    """
    try:
        if isinstance(input_size, Mapping):
            made = [_input(one, str(name)) for name, one in input_size.items()]
        elif _is_typed(input_size) or not all(isinstance(one, Iterable) for one in input_size):
            made = [_input(input_size)]
        else:
            made = [_input(one) for one in input_size]
    except TypeError:  # not numbers, or not integers
        made = []
    if not made or not made[0].shape or any(_is_wrong(layer.tensor_shape) for layer in made):
        raise FieldspecError(
            f"input_size: needs (channels, height, width) such as (3, 224, 224), without the batch, gets {input_size!r}"
        )
    return planned(made)


def _is_typed(size: Any) -> bool:
    return isinstance(size, tuple) and len(size) == 2 and isinstance(size[1], str | torch.dtype)


def _input(size: Any, name: str | None = None) -> Input:
    shape, dtype = size if _is_typed(size) else (size, None)
    sizes: Shape = tuple(index(one) for one in shape)
    word = None if dtype is None else str(dtype).removeprefix("torch.")
    if word is not None and not isinstance(getattr(torch, word, None), torch.dtype):
        raise FieldspecError(f"input_size: {word!r} is not a dtype of torch, such as int64")
    made = Input(sizes, dtype=word, name=name)
    floats = word is None or getattr(torch, word).is_floating_point
    return made if (floats and sizes) or len(sizes) > 2 else _arranged(made, "no_channels")


def _is_wrong(shape: Shape) -> bool:
    return len(shape) > MOST_DIMENSIONS or min(shape, default=1) < 1
