"""What every layer knows about itself."""

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
    """A primitive operation: frozen, torch-free, and the only place that knows its own formulas.

    Costs are of one example. `macs` are the multiply-adds of convolutions and matrix products, bias adds not
    counted (half of what torch's FlopCounterMode prints); everything else is `other_ops`, elementary
    operations by the convention in the docstring of each layer.
    """

    kind: ClassVar[str] = ""  # torch's name in snake case
    is_alias: ClassVar[bool] = False  # the output shares its input's memory in eval mode
    mixes_channels: ClassVar[bool] = False  # every output channel reads every input channel
    is_global: ClassVar[bool] = False  # every output unit reads the whole map and still has its position

    @abstractmethod
    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the output, without the batch; raises ShapeError where an input does not fit."""

    @property
    def params(self) -> int:
        """Elements of the weights, all of which train in a network that is built from a spec."""
        return 0

    @property
    def buffers(self) -> int:
        """Elements kept in the state that are not trained."""
        return 0

    def macs(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Multiply-adds of convolutions and matrix products."""
        return 0

    def other_ops(self, inputs: Sequence[Shape], output: Shape) -> int:
        """Elementary operations that are not multiply-adds."""
        return 0

    def axes(self, inputs: Sequence[Shape], output: Shape) -> tuple[AxisMap, ...] | None:
        """How each spatial axis is read; None where output unit ``u`` reads exactly input unit ``u``."""
        return None

    def covers(self, inputs: Sequence[Shape]) -> bool:
        """Whether one output unit pools the whole input map, so that no position is left."""
        return False

    def saved(self, inputs: Sequence[Shape], output: Shape) -> Saved:
        """What autograd keeps for this layer between the forward and backward passes."""
        return NOTHING_SAVED

    def out_channels_of(self, in_channels: int) -> int:
        return in_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Saved:
    """What autograd keeps: the layer's inputs, its output, and further elements of its own."""

    inputs: bool = False
    output: bool = False
    elements: int = 0  # of the activations' dtype
    bytes: int = 0  # of fixed width: float32 statistics, int64 indices
    known: bool = True  # False: it is not known what this layer keeps


NOTHING_SAVED = Saved()
INPUTS_SAVED = Saved(inputs=True)
OUTPUT_SAVED = Saved(output=True)
UNKNOWN_SAVED = Saved(known=False)


def numel(shape: Shape) -> int:
    """Elements of one example."""
    product = 1
    for size in shape:
        product *= size
    return product
