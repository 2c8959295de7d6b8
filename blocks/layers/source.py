"""The network's inputs, and the layer that does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from fieldspec.blocks.layers.base import Layer, Shape

# How the network's tensor holds the map; `channels_second` stand behind the first axis, as in frames of a video.
Arrangement = Literal["channels_first", "channels_second", "channels_last", "no_channels"]


@dataclass(frozen=True, slots=True)
class Input(Layer):
    """The image: the first node of every layer graph. A module may take further ones, by name or as integers.

    Args:
        shape: (channels, *axes) of the map.
        arrangement: `no_channels` is a tensor of axes alone: a waveform, EEG, a row of words.
        dtype: Torch's name of a type that is not the network's own: int64 where words are looked up.
        name: By which the network takes it.
    """

    kind: ClassVar[str] = "input"
    shape: Shape
    arrangement: Arrangement = "channels_first"
    dtype: str | None = None
    name: str | None = None

    def output_shape(self, *inputs: Shape) -> Shape:
        return self.shape

    @property
    def tensor_shape(self) -> Shape:
        """The shape that the network is given, without the batch.

        Example:
            >>> Input((1, 22, 1000), "no_channels").tensor_shape, Input((16, 50), "channels_last").tensor_shape
            ((22, 1000), (50, 16))
        """
        if self.arrangement == "no_channels":
            return self.shape[1:]
        if self.arrangement == "channels_second":
            return (self.shape[1], self.shape[0], *self.shape[2:])
        return (*self.shape[1:], self.shape[0]) if self.arrangement == "channels_last" else self.shape


@dataclass(frozen=True, slots=True)
class Identity(Layer):
    """Its input, untouched."""

    kind: ClassVar[str] = "identity"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]
