"""The inputs of a network, and the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from fieldspec.blocks.layers.base import Layer, Shape

# How the tensor's axes hold the map; `channels_second`: after the first axis, as in the frames of a video.
Arrangement = Literal["channels_first", "channels_second", "channels_last", "no_channels"]


@dataclass(frozen=True, slots=True)
class Input(Layer):
    """The image: the first node of every layer graph. A module may take further inputs, by name or of integers.

    Args:
        shape: (channels, *axes) of the map.
        arrangement: How the tensor's axes hold the map; `no_channels`: spatial axes only, as in a waveform or EEG.
        dtype: Torch's name of a dtype that differs from the network's: int64 for token ids.
        name: The parameter of `forward` that takes it.
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
        """Shape of the tensor that the network takes, without the batch.

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
    """The input, unchanged."""

    kind: ClassVar[str] = "identity"
    is_alias: ClassVar[bool] = True

    def output_shape(self, *inputs: Shape) -> Shape:
        return inputs[0]
