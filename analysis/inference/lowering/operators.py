"""The operators that an engine runs, on int8 tensors, batch 1, channels last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Conv, ConvTranspose, Layer, Linear, SelectChannels, Shape, numel

OperatorKind = Literal[
    "add",
    "average_pool",
    "concat",
    "conv",
    "depth_to_space",
    "depthwise_conv",
    "divide",
    "fully_connected",
    "gather",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "max_pool",
    "multiply",
    "pad",
    "prelu",
    "relu",
    "resize_bilinear",
    "resize_nearest",
    "rsqrt",
    "slice",
    "softmax",
    "subtract",
    "tanh",
    "transpose_conv",
]
Fused = Literal["relu", "relu6", "hardtanh"]
WEIGHTED: tuple[OperatorKind, ...] = ("conv", "depthwise_conv", "fully_connected", "transpose_conv")
MOVING: tuple[OperatorKind, ...] = (
    "average_pool", "concat", "depth_to_space", "gather", "max_pool", "pad", "resize_bilinear", "resize_nearest",
    "slice",
)  # fmt: skip  # operators whose inputs and output must have the same scale
FIXED: tuple[OperatorKind, ...] = ("logistic", "softmax", "tanh")  # the engine fixes the scale of their output
WIDTH = {"int8": 1, "int32": 4, "float32": 4, "int64": 8}
SCALED = WIDTH["float32"] + WIDTH["int64"]  # a quantization parameter: scale and zero point


class EngineError(FieldspecError):
    """An engine cannot run the network; the message names every unsupported layer."""


@dataclass(slots=True)
class Operator:
    """One operator: what it computes, on which tensors, with which layers of the network folded into it."""

    kind: OperatorKind
    id: str  # id of the layer that it computes
    layer: Layer
    inputs: tuple[int, ...]  # tensor indices
    output: int  # a tensor index
    same: bool = False  # the engine's `same` matches the layer; else no padding, or a pad operator before
    fused: Fused | None = None
    node: int | None = None  # the layer's node if its weights are the network's; None if they are constant
    norms_before: tuple[int, ...] = ()  # nodes of norms before the layer that are folded into its weights
    norms_after: tuple[int, ...] = ()  # those after it
    flattened: Shape = ()  # for a fully connected operator on a map: the map that torch flattens
    constant: tuple[float, float] = (1.0, 0.0)  # scale and shift, for an operator without trained weights
    scratch: int = 0  # bytes it allocates while it runs
    shared: bool = False  # whether its weights belong to another operator
    sides: tuple[tuple[int, int], ...] = ()  # for padding (channels last) or cropping: (before, after)
    grown: tuple[tuple[int, int], ...] = ()  # zeros around the kernel in place of a pad operator
    macs: int = 0

    @property
    def channels(self) -> int:
        """Output channels of an operator with weights, each with a scale and a bias; 0 for other operators."""
        match self.layer:
            case Conv() | ConvTranspose():
                return self.layer.out_channels if self.kind in WEIGHTED else 0
            case Linear():
                return self.layer.out_features
        return 0

    @property
    def trained(self) -> bool:
        """Whether it reads weights, the network's or constant ones."""
        return self.channels > 0 or self.kind == "prelu"

    @property
    def weights(self) -> int:
        """Bytes of int8 weights."""
        layer = self.layer
        if not self.channels or self.shared:
            return 0
        return (layer.params - (self.channels if _has_bias(layer) else 0)) * WIDTH["int8"]

    @property
    def flash(self) -> int:
        """Bytes of weights (int8), biases (int32) and their quantization: one scale and zero point per channel each.

        A fully connected operator has one for all its weights, a prelu one for its slope; an operator that permutes
        channels has an index table.
        """
        if isinstance(self.layer, SelectChannels) and self.kind == "gather":
            return WIDTH["int32"] * len(self.layer.index)
        if self.kind == "prelu":
            return 0 if self.shared else WIDTH["int8"] + SCALED
        if not self.channels or self.shared:
            return 0
        return self.weights + self.channels * (WIDTH["int32"] + 2 * SCALED)

    def moved(self, place: Mapping[int, int]) -> Operator:
        """The same operator with renumbered tensors."""
        return replace(self, inputs=tuple(place[tensor] for tensor in self.inputs), output=place[self.output])


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer of the arena: its bytes, and the first and last step that need it; step 0 is before all operators."""

    size: int
    first: int
    last: int

    def meets(self, other: Buffer) -> bool:
        """Whether both buffers are live at the same time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(slots=True)
class Lowered:
    """A layer graph as operators, in execution order. Tensor 0 is the input."""

    graph: LayerGraph
    shapes: list[Shape] = field(default_factory=list)  # shape of each tensor, channels first
    operators: list[Operator] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    unfolded: list[str] = field(default_factory=list)  # norms that need an operator of their own
    composed: dict[str, str] = field(default_factory=dict)  # layers composed of several operators: their functions
    alignment: int = 16

    @property
    def sizes(self) -> list[int]:
        """Bytes of each tensor in int8, rounded up to the engine's alignment."""
        return [self.aligned(numel(shape)) for shape in self.shapes]

    def aligned(self, size: int) -> int:
        """Bytes rounded up to the engine's alignment."""
        return -(-size // self.alignment) * self.alignment

    @property
    def macs(self) -> int:
        """Multiply-adds of all operators, including those for norms."""
        return sum(operator.macs for operator in self.operators)

    @property
    def flash(self) -> int:
        """Bytes of weights, biases and quantization parameters: a scale and a zero point per tensor, weight and bias.

        The rest of a file (names, operator list, padding) is counted when it is written.
        """
        return sum(operator.flash for operator in self.operators) + SCALED * len(self.shapes)

    def buffers(self, order: Sequence[int] | None = None) -> list[Buffer]:
        """Lifetime of each tensor in an order of the operators, followed by the operators' scratch memory."""
        first, last = [0] * len(self.shapes), [0] * len(self.shapes)
        sequence = range(len(self.operators)) if order is None else order
        for step, index in enumerate(sequence, 1):
            operator = self.operators[index]
            first[operator.output] = last[operator.output] = step
            for tensor in operator.inputs:
                last[tensor] = step
        for tensor in self.outputs:
            last[tensor] = len(self.operators)
        lives = [Buffer(*life) for life in zip(self.sizes, first, last, strict=True)]
        asked = [(self.operators[index].scratch, step) for step, index in enumerate(sequence, 1)]
        return lives + [Buffer(self.aligned(size), step, step) for size, step in asked if size]


def _has_bias(layer: Layer) -> bool:
    return isinstance(layer, Conv | ConvTranspose | Linear) and layer.bias
