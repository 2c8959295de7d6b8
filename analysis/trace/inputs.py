"""What a user says of a network's inputs, and how their dimensions may be read: which are channels, which are axes."""

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
    """The inputs as maps, and how many axes the network's maps have."""

    inputs: tuple[Input, ...]
    axes: int

    @property
    def is_typed(self) -> bool:
        """Whether the user said what type any input has."""
        return any(layer.dtype is not None for layer in self.inputs)

    def of_integers(self) -> InputPlan:
        """The same inputs as rows or images of indices, which have no channels."""
        return planned([
            replace(_arranged(layer, "no_channels" if len(layer.shape) < 3 else "channels_first"), dtype="int64")
            for layer in self.inputs
        ])  # fmt: skip

    def others(self, windows: int) -> Iterator[InputPlan]:
        """Other readings, for a network with windows over so many axes that are not the maps' under this one."""
        if windows > self.axes and all(len(layer.shape) < 2 for layer in self.inputs):
            yield replace(self, axes=windows)  # the generator of a GAN: a vector becomes a map
        more: dict[Arrangement, int] = {"no_channels": 0, "channels_last": 1, "channels_second": 2}
        dimensions = [(arrangement, axes + more[arrangement]) for axes in range(windows, 0, -1) for arrangement in more]
        for arrangement, count in dimensions:
            made = [
                _arranged(layer, arrangement) if len(layer.tensor_shape) == count else layer for layer in self.inputs
            ]
            if tuple(made) != self.inputs:
                yield planned(made)


def planned(inputs: Sequence[Input]) -> InputPlan:
    """A plan of these inputs: as many axes as the largest has."""
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
    """Where the map of an input lies in the tensor (batch, ...) that the network is given."""
    batch, *dims = of_map(layer.shape)
    if layer.arrangement == "no_channels":
        return (batch, *dims[1:])
    if layer.arrangement == "channels_second":
        return (batch, dims[1], dims[0], *dims[2:])
    return (batch, *dims[1:], *dims[:1]) if layer.arrangement == "channels_last" else (batch, *dims)


def inputs_of(input_size: GivenSizes) -> InputPlan:
    """What the user says, read as maps (channels, *axes).

    Raises:
        FieldspecError: It is not a size, a size and a type, or several of them.
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
    except TypeError:  # no numbers, or no whole ones
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
        raise FieldspecError(f"input_size: {word!r} is not a type of torch, such as int64")
    made = Input(sizes, dtype=word, name=name)
    floats = word is None or getattr(torch, word).is_floating_point
    return made if (floats and sizes) or len(sizes) > 2 else _arranged(made, "no_channels")


def _is_wrong(shape: Shape) -> bool:
    return len(shape) > MOST_DIMENSIONS or min(shape, default=1) < 1
