"""Which operators a layer graph becomes."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import fieldspec as fs
from fieldspec.analysis.inference.lowering.lower import lower, written_out
from fieldspec.analysis.inference.lowering.operators import EngineError, Lowered
from fieldspec.analysis.inference.lowering.windows import effective_sides, grown_sides, is_same, same_sides
from fieldspec.analysis.inference.planning import live_peak


def of(*layers: Any, size: tuple[int, int, int] = (3, 8, 8), **rest: Any) -> Lowered:
    """The operators of a spec of these layers."""
    return lower(fs.load({"input": list(size), "layers": list(layers), **rest}).graph)


def kinds(lowered: Lowered) -> list[str]:
    """Each operator with the activation in it."""
    return [f"{one.kind}+{one.fused}" if one.fused else one.kind for one in lowered.operators]


BARE = {"norm": "none", "act": "none"}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"conv": {"out": 8}}], ["conv+relu"]),
        ([{"conv": {"out": 8, "act": "relu6"}}], ["conv+relu6"]),
        ([{"conv": {"out": 8, "stride": 2}}], ["pad", "conv+relu"]),
        ([{"conv": {"out": 8, "stride": 2, "padding": [[0, 1], [0, 1]]}}], ["conv+relu"]),
        ([{"conv": {"out": 8, "padding": 2, "dilation": 2}}], ["conv+relu"]),
        ([{"conv": {"out": 3, "groups": "depthwise"}}], ["depthwise_conv+relu"]),
        ([{"conv": {"out": 6, "groups": 3}}], ["depthwise_conv+relu"]),
        ([{"conv": {"out": 8, "act": "silu"}}], ["conv", "logistic", "multiply"]),
        ([{"conv": {"out": 8, "act": "hardswish"}}], ["conv", "hard_swish"]),
        ([{"conv": {"out": 8, "act": "hardsigmoid"}}], ["conv", "depthwise_conv+relu6", "depthwise_conv"]),
        ([{"conv": {"out": 8, "act": "tanh"}}], ["conv", "tanh"]),
        ([{"conv": {"out": 8, "act": "softmax"}}], ["conv", "softmax"]),
        ([{"conv": {"out": 8, "act": "leaky_relu"}}], ["conv", "leaky_relu"]),
        ([{"conv": {"out": 8, "act": "hardtanh"}}], ["conv+hardtanh"]),
        ([{"act": {"type": "hardtanh"}}], ["depthwise_conv+hardtanh"]),
        ([{"conv": {"out": 8, "act": "prelu"}}], ["conv", "prelu"]),
        ([{"conv": {"out": 8}}, {"depth_to_space": {"block": 2}}], ["conv+relu", "gather", "depth_to_space"]),
        ([{"conv": {"out": 4}}, {"depth_to_space": {"block": 2}}], ["conv+relu", "depth_to_space"]),
        ([{"conv": {"out": 8}}, {"shuffle": {"groups": 2}}], ["conv+relu", "gather"]),
        ([{"conv": {"out": 8}}, {"shuffle": {"groups": 1}}], ["conv+relu"]),
        ([{"conv": {"out": 8}}, {"slice": {"start": 2, "stop": 6}}], ["conv+relu", "slice"]),
        ([{"act": {}}], ["relu"]),
        ([{"conv": {"out": 8}}, {"pool": {"type": "max"}}], ["conv+relu", "max_pool"]),
        (
            [{"conv": {"out": 8}}, {"pool": {"type": "max", "kernel": 3, "stride": 2, "padding": 1}}],
            ["conv+relu", "pad", "max_pool"],
        ),
        ([{"pool": {"type": "avg", "kernel": 3, "stride": 1, "padding": 1}}], ["pad", "average_pool"]),
        ([{"global_pool": {"type": "avgmax"}}], ["average_pool", "max_pool", "add", "depthwise_conv"]),
        ([{"global_pool": {"type": "catavgmax"}}], ["average_pool", "max_pool", "concat"]),
        ([{"resize": {"scale": 2}}], ["resize_nearest"]),
        ([{"space_to_depth": {}}], ["conv"]),
        ([{"flatten": {}}, {"linear": {"out": 4}}, {"dropout": {}}], ["fully_connected"]),
        ([{"conv_transpose": {"out": 4, "act": "none"}}], ["transpose_conv"]),
    ],
)
def test_operators(layers: list[Any], expected: list[str]) -> None:
    """A case of each kind."""
    assert kinds(of(*layers)) == expected


def test_norms() -> None:
    """Folded back, folded forward where no zeros are put around the map, else an operator."""
    order: dict[str, Any] = {"defaults": {"order": ["conv", "act", "norm"]}}
    behind = of({"conv": {"out": 8}}, {"conv": {"out": 4, "kernel": 1, **BARE}}, **order)
    assert kinds(behind) == ["conv+relu", "conv"]
    assert [len(one.norms_before) for one in behind.operators] == [0, 1]
    padded = of({"conv": {"out": 8}}, {"conv": {"out": 4, **BARE}}, **order)
    assert (kinds(padded), padded.unfolded) == (["conv+relu", "depthwise_conv", "conv"], ["conv1.norm"])
    pooled = of({"conv": {"out": 8}}, head={"classes": 4}, **order)
    assert kinds(pooled) == ["conv+relu", "average_pool", "fully_connected"]
    assert len(pooled.operators[-1].norms_before) == 1
    shared = of({"conv": {"out": 3}}, {"residual": {"body": [{"conv": {"out": 3, "kernel": 1, **BARE}}]}}, **order)
    assert shared.unfolded == ["conv1.norm"]  # the shortcut reads it as well


def test_a_fixed_scale() -> None:
    """A sigmoid's int8 scale is 1/256 whatever comes; side by side with others it is put into theirs."""
    gated = {"parallel": {"merge": "concat", "branches": [[{"act": {"type": "sigmoid"}}], []]}}
    lowered = of({"conv": {"out": 4}}, gated)
    assert kinds(lowered) == ["conv+relu", "logistic", "depthwise_conv", "concat"]
    pooled = of({"act": {"type": "sigmoid"}}, {"global_pool": {"type": "catavgmax"}})
    rescaled = ["depthwise_conv", "depthwise_conv"]
    assert kinds(pooled) == ["logistic", "average_pool", "max_pool", *rescaled, "concat"]


def test_what_several_read_is_not_changed() -> None:
    """A sum whose operands are read before the activation keeps its operator of its own."""
    split = {"parallel": {"merge": "concat", "branches": [[{"act": {}}], []]}}
    assert kinds(of({"conv": {"out": 4, **BARE}}, split)) == ["conv", "relu", "concat"]


@pytest.mark.parametrize(("function", "count"), [("gelu", 8), ("elu", 6), ("mish", 7)])
def test_composed_activations(function: str, count: int) -> None:
    """What the engine has no operator for is written in several, and said."""
    lowered = of({"conv": {"out": 8, "act": function}})
    assert len(lowered.operators) == 1 + count
    assert lowered.composed == {"conv1.act": function}


def test_measured_norms() -> None:
    """Mean and deviation are computed by operators; scale and shift go into the weights behind, or are one more."""
    core = ["conv", "subtract", "multiply", "conv", "rsqrt", "multiply"]
    own = of({"norm": {"type": "layer"}})
    assert kinds(own) == [*core, "depthwise_conv"]
    folded = of({"norm": {"type": "layer"}}, {"conv": {"out": 8, "kernel": 1, **BARE}})
    assert kinds(folded) == [*core, "conv"]
    assert (len(folded.operators[-1].norms_before), folded.composed) == (1, {"norm1": "LayerNorm"})
    mean = ["average_pool", "conv", "depthwise_conv"]
    grouped = of({"norm": {"type": {"group": 2}}}, size=(6, 8, 8))
    assert kinds(grouped) == [*mean, "subtract", "multiply", *mean, "rsqrt", "multiply", "depthwise_conv"]
    each = of({"norm": {"type": {"group": 3}}})
    assert kinds(each)[:5] == ["average_pool", "subtract", "multiply", "average_pool", "depthwise_conv"]


def test_one_axis() -> None:
    """A network over one axis runs as one over rows; a map of three axes is refused."""
    layers = [{"conv": {"out": 8, "stride": 2}}, {"pool": {"type": "max", "kernel": 2}}]
    lowered = lower(fs.load({"input": [2, 40], "layers": layers, "head": {"classes": 4}}).graph)
    assert kinds(lowered) == ["pad", "conv+relu", "max_pool", "average_pool", "fully_connected"]
    assert lowered.shapes == [(2, 1, 40), (2, 1, 41), (8, 1, 20), (8, 1, 10), (8, 1, 1), (4,)]
    with pytest.raises(EngineError, match=re.escape("conv1.conv (conv over 3 axes)")):
        lower(fs.load({"input": [2, 8, 8, 8], "layers": [{"conv": {"out": 8}}]}).graph)


def test_what_cannot_run_is_named_at_once() -> None:
    """Every layer that stands in the way, with the reason."""
    layers = [{"resize": {"size": [12, 12]}}, {"adaptive_pool": {"type": "avg", "size": [5, 5]}}]
    message = (
        "resize1 (nearest resizing of this kind); adaptive_pool1 (adaptive pooling with windows of different sizes)"
    )
    with pytest.raises(EngineError, match=re.escape(message)):
        of(*layers)


def test_a_traced_module() -> None:
    """Any module of PyTorch; weights that run twice are in the file once."""
    import torch
    from torch import nn

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.relu(self.conv(x)))  # type: ignore[no-any-return]  # torch

    lowered = lower(fs.analyze(Twice(), input_size=(4, 8, 8)).graph)
    assert kinds(lowered) == ["conv+relu", "conv"]
    assert [one.weights for one in lowered.operators] == [16, 0]


def test_functions_of_a_traced_module() -> None:
    """Those that their name says whole; others are refused by it, with whatever slope they have."""
    from torch import nn

    def traced(act: nn.Module) -> Lowered:
        return lower(fs.analyze(nn.Sequential(nn.Conv2d(4, 4, 1), act), input_size=(4, 8, 8)).graph)

    assert kinds(traced(nn.Tanh())) == ["conv", "tanh"]
    assert len(traced(nn.Mish()).operators) == 8
    assert [len(traced(nn.GELU(how)).operators) for how in ("none", "tanh")] == [9, 6]
    with pytest.raises(EngineError, match="no operator computes leaky_relu"):
        traced(nn.LeakyReLU(0.3))


def test_same() -> None:
    """LiteRT puts the odd zero behind; what lies behind the last window is not counted."""
    assert effective_sides((9,), (5,), (3,), (2,), (1,), ((1, 1),)) == ((1, 1),)
    assert is_same((9,), (5,), (3,), (2,), (1,), ((1, 1),))
    assert effective_sides((8,), (4,), (3,), (2,), (1,), ((1, 1),)) == ((1, 0),)
    assert not is_same((8,), (4,), (3,), (2,), (1,), ((1, 0),))


BEFORE = {"conv": {"out": 4}, "repeat": 8}
WIDE = {"inverted_residual": {"expand": 16, "out": 4, "stride": 2, "act": "relu6"}}


def test_zeros_go_into_a_kernel_where_writing_them_out_would_be_the_peak() -> None:
    """Of a depthwise operator with stride 2 on an even map; not where another is the peak, or a quarter slower."""
    grown = of(BEFORE, WIDE, size=(4, 16, 16))
    assert kinds(grown)[8:] == ["conv+relu6", "depthwise_conv+relu6", "conv"]
    middle = grown.operators[9]
    assert (middle.grown, getattr(middle.layer, "kernel_size", None)) == (((0, 1), (0, 1)), (4, 4))
    assert (middle.weights, middle.macs) == (16 * 16, 16 * 16 * 8 * 8)
    assert live_peak(grown) == 16 * 16 * 16 + 16 * 8 * 8
    assert kinds(written_out(grown))[8:] == ["conv+relu6", "pad", "depthwise_conv+relu6", "conv"]
    assert "pad" in kinds(of(BEFORE, WIDE, {"resize": {"scale": 8}}, size=(4, 16, 16)))
    assert "pad" in kinds(of(WIDE, size=(4, 16, 16)))


def test_zeros_that_take_more_flash_than_they_save_memory_are_written_out() -> None:
    """7 more weights for each of 64 times 64 pairs of channels, for a row and a column of 64 maps of 8x8."""
    assert kinds(of({"conv": {"out": 64, "stride": 2}}, size=(64, 8, 8))) == ["pad", "conv+relu"]


@given(
    size=st.integers(4, 20),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    data=st.data(),
)
def test_grown_kernels_read_the_same(size: int, kernel: int, stride: int, dilation: int, data: st.DataObject) -> None:
    """The first tap that is not a zero lies where the layer's first lies; where none is needed, none is added."""
    padding = data.draw(st.integers(0, kernel))
    units = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    assume(units > 0)
    window = (size,), (units,), (kernel,), (stride,), (dilation,)
    sides = effective_sides(*window, ((padding, padding),))
    grown = grown_sides(*window, sides)
    if grown is not None:
        ((before, after),) = grown
        first, _ = same_sides(size, units, kernel + before + after, stride, dilation)
        assert -first + dilation * before == -padding
    if is_same(*window, sides):
        assert grown == ((0, 0),)
