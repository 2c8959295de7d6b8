"""The base class of layers: shapes, parameters, costs and what each unit reads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from fieldspec.blocks.axis import AxisMap
from fieldspec.blocks.block import Block

Shape = tuple[int, ...]  # (channels, height, width), or (features,) after flattening; never the batch


@dataclass(frozen=True, slots=True)
class Layer(Block):
    """A primitive operation: frozen, free of torch, and the only place that holds its formulas.

    Costs are for one example. `macs` are the multiply-adds of convolutions and matrix products, without bias adds
    (half of what torch's FlopCounterMode prints); everything else is `other_ops`, elementary operations counted
    by the convention in each layer's docstring.
    """

    kind: ClassVar[str] = ""  # torch's name in snake case
    is_alias: ClassVar[bool] = False  # the output shares the input's memory in eval mode
    mixes_channels: ClassVar[bool] = False  # every output channel reads every input channel
    is_global: ClassVar[bool] = False  # every output unit reads the whole map, yet keeps its position

    @abstractmethod
    def output_shape(self, *inputs: Shape) -> Shape:
        """Output shape without the batch; raises ShapeError if an input does not fit."""

    @property
    def params(self) -> int:
        """Number of parameters, all of which are trained in a network built from a spec."""
        return 0

    @property
    def buffers(self) -> int:
        """Number of elements kept in the state but not trained."""
        return 0

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Multiply-adds of convolutions and matrix products, for one example."""
        return 0

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Elementary operations that are not multiply-adds, for one example."""
        return 0

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        """How each spatial axis is read; None if output unit ``u`` reads exactly input unit ``u``."""
        return None

    def covers(self, inputs: Sequence[Shape]) -> bool:
        """Whether one output unit reads the whole input map, so that no position is left."""
        return False

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        """What autograd keeps for this layer from the forward to the backward pass."""
        return NOTHING_SAVED

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Saved:
    """What autograd keeps: the layer's inputs, its output, and further elements."""

    inputs: bool = False
    output: bool = False
    elements: int = 0  # in the activations' dtype
    bytes: int = 0  # of data with a fixed dtype: float32 statistics, int64 indices
    known: bool = True  # False: what this layer keeps is unknown


NOTHING_SAVED = Saved()
INPUTS_SAVED = Saved(inputs=True)
OUTPUT_SAVED = Saved(output=True)
UNKNOWN_SAVED = Saved(known=False)


def numel(shape: Shape) -> int:
    """Number of elements of one example."""
    product = 1
    for size in shape:
        product *= size
    return product
