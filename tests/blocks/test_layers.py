"""Every layer's shape, parameters, buffers, multiply-adds and other operations, worked by hand."""

from dataclasses import FrozenInstanceError, dataclass
from fractions import Fraction
from itertools import product
from typing import Any

import pytest
import torch

from fieldspec.blocks import FieldspecError, ShapeError
from fieldspec.blocks import layers as L  # noqa: N812  # many of them
from fieldspec.blocks.errors import SettingError

MAP = (8, 9, 7)


@dataclass(frozen=True)
class Costs:
    """What a layer makes of a map and what it costs."""

    layer: L.Layer
    output: tuple[int, ...]
    params: int = 0
    macs: int = 0
    other_ops: int = 0
    buffers: int = 0
    inputs: tuple[tuple[int, ...], ...] = (MAP,)


def even(padding: int) -> L.Sides:
    """The same zeros on all sides."""
    return ((padding, padding), (padding, padding))


TABLE: dict[str, Costs] = {
    # 8*9*7 units of the input; conv: (9 + 2 - 3) / 1 + 1 = 9 rows; weights 16*8*9; macs 16*9*7*72
    "conv": Costs(L.Conv(8, 16, padding=even(1)), (16, 9, 7), 1152, 72_576),
    "conv_bias": Costs(L.Conv(8, 16, padding=even(1), bias=True), (16, 9, 7), 1168, 72_576),  # a bias adds no macs
    "conv_strided": Costs(L.Conv(8, 4, stride=(2, 3), padding=even(1)), (4, 5, 3), 288, 4_320),  # 8//2+1, 6//3+1
    "conv_dilated": Costs(L.Conv(8, 4, dilation=(2, 3)), (4, 5, 1), 288, 1_440),  # 9 - 4, 7 - 6
    "conv_sides": Costs(L.Conv(8, 4, (4, 2), padding=((1, 2), (0, 1))), (4, 9, 7), 256, 16_128),  # 4*8*8; 64*63*4
    "conv_depthwise": Costs(L.Conv(8, 16, padding=even(1), groups=8), (16, 9, 7), 144, 9_072),  # 16*1*9; *63
    "conv_grouped": Costs(L.Conv(8, 12, (1, 1), groups=4), (12, 9, 7), 24, 1_512),  # 12*2; *63
    "transposed": Costs(L.ConvTranspose(8, 4), (4, 18, 14), 128, 8_064),  # 8*4*4; in 63 units * 128
    # (9 - 1) * 2 - 2 + 2 + 1 + 1 = 18; (7 - 1) * 3 - 0 + 4 + 0 + 1 = 23; weights 8*2*3*3 and 4 biases; 63 * 144
    "transposed_all": Costs(
        L.ConvTranspose(8, 4, (3, 3), (2, 3), (1, 0), (1, 0), (1, 2), groups=2, bias=True), (4, 18, 23), 148, 9_072
    ),
    "linear": Costs(L.Linear(8, 5), (5,), 45, 40, inputs=((8,),)),
    "linear_bare": Costs(L.Linear(8, 5, bias=False), (5,), 40, 40, inputs=((8,),)),
    # each of 8 indices at 63 places becomes 4 channels: a table of 10 rows of 4
    "embedding": Costs(L.Embedding(10, 4), (32, 9, 7), 40),
    "batch_norm": Costs(L.BatchNorm(8), MAP, 16, other_ops=2 * 504, buffers=17),  # mean, variance, a counter
    "layer_norm": Costs(L.LayerNorm(8), MAP, 16, other_ops=5 * 504),
    "layer_norm_bare": Costs(L.LayerNorm(8, weight=False, bias=False), MAP, other_ops=5 * 504),
    "rms_norm": Costs(L.RMSNorm(8), MAP, 8, other_ops=3 * 504),
    "group_norm": Costs(L.GroupNorm(8, 4), MAP, 16, other_ops=5 * 504),
    **{name: Costs(L.Activation(name), MAP, int(name == "prelu"), other_ops=504) for name in L.FUNCTIONS},  # one slope
    "dropout": Costs(L.Dropout(0.5), MAP),
    "drop_path": Costs(L.DropPath(0.5), MAP),
    "identity": Costs(L.Identity(), MAP),
    "select_channels": Costs(L.SelectChannels((0, 2, 2)), (3, 9, 7)),
    "shuffle": Costs(L.Shuffle((0, 4, 1, 5, 2, 6, 3, 7)), MAP),
    "slice": Costs(L.Slice((1, 0), (2, 3), (4, 3)), (8, 4, 3)),
    "pad": Costs(L.Pad(((1, 2), (0, -3))), (8, 12, 4)),
    "scale": Costs(L.ChannelScale(8, 0.1), MAP, 8, other_ops=504),
    "scale_constant": Costs(L.ChannelScale(8, 0.1, trained=False), MAP, other_ops=504),
    "pad_channels": Costs(L.PadChannels(1, 2), (11, 9, 7)),
    "expand": Costs(L.Expand((5, 6)), (8, 5, 6), inputs=((8, 1, 1),)),
    "copy": Costs(L.Copy(), MAP),
    "unflatten": Costs(L.Unflatten((2, 4, 4)), (2, 4, 4), inputs=((32,),)),
    "constant": Costs(L.Constant((2, 9, 7)), (2, 9, 7)),
    "pointwise": Costs(L.Pointwise("exp"), MAP, other_ops=504),
    "mix": Costs(L.Mix("mean", (1, 9, 7)), (1, 9, 7), other_ops=504),
    "axis_norm": Costs(L.AxisNorm("native_layer_norm", MAP, statistics=9), MAP, other_ops=5 * 504),
    "axis_norm_rms": Costs(L.AxisNorm("rms_norm", MAP), MAP, other_ops=3 * 504),
    "join": Costs(L.Join(("own", "own"), (8, 18, 7), 0, (8, 8)), (8, 18, 7), inputs=(MAP, MAP)),
    "matmul": Costs(L.MatMul(("own", "whole"), (8, 9, 7), 63 * 63 * 8), (8, 9, 7), macs=31_752, inputs=(MAP, MAP)),
    "elementwise": Costs(L.Elementwise("maximum"), MAP, other_ops=504, inputs=(MAP, MAP)),
    "opaque": Costs(L.Opaque("aten::fft", "net.py:7", MAP), MAP),
    "max_pool": Costs(L.Pool("max"), (8, 4, 3), other_ops=8 * 12 * 4),
    "pool_ceil": Costs(L.Pool("avg", ceil_mode=True), (8, 5, 4), other_ops=8 * 20 * 4),
    "pool_padded": Costs(L.Pool("avg", (3, 3), (2, 2), (1, 1)), (8, 5, 4), other_ops=8 * 20 * 9),
    "adaptive": Costs(L.AdaptivePool("avg", (3, 7)), (8, 3, 7), other_ops=8 * 9 * 7),
    "adaptive_overlap": Costs(L.AdaptivePool("max", (9, 2)), (8, 9, 2), other_ops=8 * 9 * 8),  # 0-3 and 3-6
    "global_avg": Costs(L.GlobalPool("avg"), (8, 1, 1), other_ops=504),
    "global_max": Costs(L.GlobalPool("max"), (8, 1, 1), other_ops=504),
    "global_avgmax": Costs(L.GlobalPool("avgmax"), (8, 1, 1), other_ops=1008),
    "global_catavgmax": Costs(L.GlobalPool("catavgmax"), (16, 1, 1), other_ops=1008),
    "flatten": Costs(L.Flatten(), (504,)),
    "nearest": Costs(L.Resize(factor=(2, 3)), (8, 18, 21)),
    "bilinear": Costs(L.Resize(size=(5, 11), mode="bilinear"), (8, 5, 11), other_ops=7 * 8 * 55),
    "space_to_depth": Costs(L.SpaceToDepth((3, 3)), (72, 3, 2), inputs=((8, 9, 6),)),
    "unfold": Costs(L.Unfold((3, 2), (2, 1), (1, 0), (1, 2)), (48, 5, 5)),
    "fold": Costs(L.Fold((2, 2), (2, 2), (0, 0), (1, 1), (18, 14)), (2, 18, 14), other_ops=504),
    "tokens": Costs(L.Tokens((8, 1, 1)), (8, 1, 1)),
    "depth_to_space": Costs(L.DepthToSpace((2, 2)), (2, 18, 14)),
    "add": Costs(L.Add(), MAP, other_ops=2 * 504, inputs=(MAP, MAP, MAP)),
    "multiply": Costs(L.Multiply(), MAP, other_ops=504, inputs=(MAP, MAP)),
    "gate": Costs(L.Multiply(), MAP, other_ops=504, inputs=(MAP, (8, 1, 1))),
    "spatial_gate": Costs(L.Multiply(), MAP, other_ops=504, inputs=((1, 9, 7), MAP)),
    "strips": Costs(L.Add(), MAP, other_ops=504, inputs=((8, 9, 1), (8, 1, 7))),
    "concat": Costs(L.Concat(), (11, 9, 7), inputs=(MAP, (3, 9, 7))),
    "concat_vectors": Costs(L.Concat(), (11,), inputs=((8,), (3,))),
}


@pytest.mark.parametrize("name", TABLE)
def test_costs(name: str) -> None:
    """Shape, parameters, buffers, multiply-adds and other operations of one example."""
    case = TABLE[name]
    layer, inputs = case.layer, case.inputs
    assert layer.output_shape(*inputs) == case.output
    assert (layer.params, layer.buffers) == (case.params, case.buffers)
    assert layer.macs(inputs, case.output) == case.macs
    assert layer.other_ops(inputs, case.output) == case.other_ops


def test_a_linear_layer_of_every_unit() -> None:
    """8 of 5 channels at each of 63 units: 40 products each."""
    assert L.Linear(5, 8).macs([(5, 9, 7)], (8, 9, 7)) == 40 * 63


def test_the_table_has_every_layer() -> None:
    """A new layer needs a line above."""
    concrete = {
        kind for kind in vars(L).values() if isinstance(kind, type) and issubclass(kind, L.Layer) and kind.kind
    } - {L.Normalization, L.Input}
    assert {type(case.layer) for case in TABLE.values()} == concrete


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "units"),
    [
        (5, 2, 2, 0, 3),  # 0-1, 2-3, and 4 alone
        (6, 2, 2, 0, 3),  # nothing is left over
        (5, 3, 3, 0, 2),  # 0-2, 3-4
        (5, 2, 2, 1, 3),  # a fourth would start at 5, behind the map: torch drops it
        (6, 3, 2, 1, 4),  # -1, 1, 3, 5: the last starts inside
        (7, 1, 3, 0, 3),
        (32, 3, 2, 0, 16),
        (4, 4, 3, 2, 2),  # -2, 1; a third would start at 4
    ],
)
def test_ceil_mode(size: int, kernel: int, stride: int, padding: int, units: int) -> None:
    """A last window may reach past the end, but not start there."""
    pool = L.Pool("avg", (kernel, kernel), (stride, stride), (padding, padding), ceil_mode=True)
    assert pool.output_shape((1, size, size)) == (1, units, units)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pools_over_the_whole_map(size: int, ceil_mode: bool) -> None:
    """A pool covers the map if every unit, the last one too, reads all of it: told by the gradient of each."""
    for kernel, stride, padding in product(range(1, 6), range(1, 4), range(3)):
        if 2 * padding > kernel or size + 2 * padding < kernel:
            continue
        pool = L.Pool("avg", (kernel,) * 2, (stride,) * 2, (padding,) * 2, ceil_mode)
        x = torch.ones(1, 1, size, size, requires_grad=True)
        units = torch.nn.functional.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil_mode).flatten()
        seen = [torch.autograd.grad(unit, x, retain_graph=True)[0] for unit in units]
        assert pool.covers([(1, size, size)]) == all(one.all() for one in seen), pool


def test_costs_of_c1c2c3c40s_dilated_layer() -> None:
    """64 to 64 channels, 3x3, dilation 2, no padding: 8 to 4, as DESIGN.md writes it."""
    layer = L.Conv(64, 64, dilation=(2, 2))
    assert layer.output_shape((64, 8, 8)) == (64, 4, 4)
    assert (layer.params, layer.macs([(64, 8, 8)], (64, 4, 4))) == (36_864, 589_824)  # 64*64*9; times 16


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (
            L.Conv(8, 8, dilation=(2, 2)),
            [(8, 4, 4)],
            "3x3 with dilation 2 and padding 0 needs at least 5x5, gets 4x4",
        ),
        (
            L.Conv(8, 8, (7, 1), padding=((1, 2), (0, 0))),
            [(8, 3, 9)],
            "7x1 with padding [[1, 2], [0, 0]] needs at least 4x1, gets 3x9",
        ),
        (L.Conv(8, 8), [(6, 9, 9)], "conv needs 8 channels, gets 6"),
        (
            L.Conv(8, 8),
            [(8,)],
            "conv needs a map (channels, height, width), gets (8,); put it before flatten",
        ),
        (L.BatchNorm(8), [(6, 9, 9)], "BatchNorm needs 8 channels, gets 6"),
        (L.Pool("max", (3, 3)), [(8, 2, 9)], "3x3 with padding 0 needs at least 3x3, gets 2x9"),
        (
            L.ConvTranspose(8, 8, padding=(1, 1)),
            [(8, 1, 4)],
            "padding (1, 1) crops a 1x4 map to nothing; use a smaller padding",
        ),
        (L.Linear(8, 2), [(6,)], "linear needs 8 features, gets 6"),
        (
            L.Linear(8, 2),
            [(8, 1, 1)],
            "linear needs a flat vector, gets a map (8, 1, 1); put global_pool and flatten before it, or use conv with "
            "kernel: 1 on each unit",
        ),
        (L.SpaceToDepth((2, 2)), [(8, 9, 6)], "space_to_depth: block 2 does not divide the map 9x6"),
        (L.Unfold((3, 3), (1, 1), (0, 0), (1, 1)), [(8, 2, 9)], "3x3 with padding 0 needs at least 3x3, gets 2x9"),
        (L.DepthToSpace((3, 3)), [(8, 9, 6)], "depth_to_space: block 3 needs channels that 9 divides, gets 8"),
        (L.Add(), [(8, 4, 4), (8, 2, 2)], "add needs equal shapes, gets 8x4x4 and 8x2x2"),
        (L.Multiply(), [(8, 4, 4), (8,)], "multiply needs equal shapes, gets 8x4x4 and 8"),
        (L.Concat(), [(8, 4, 4), (8, 1, 1)], "concat needs equal map sizes, gets 8x4x4 and 8x1x1"),
    ],
)
def test_maps_that_do_not_fit(layer: L.Layer, inputs: list[tuple[int, ...]], message: str) -> None:
    """What was given, and what is needed."""
    with pytest.raises(ShapeError) as caught:
        layer.output_shape(*inputs)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.Conv(32, 32, groups=6), "groups: 6 does not divide channels (=32). Use 1, 2, 4, 8, 16 or 32."),
        (lambda: L.Conv(8, 6, groups=4), "groups: 4 does not divide out (=6). Use 1 or 2."),
        (lambda: L.Conv(8, 3, groups=2), "groups: 2 does not divide out (=3). Use 1."),
        (lambda: L.ConvTranspose(6, 4, groups=4), "groups: 4 does not divide channels (=6). Use 1 or 2."),
        (
            lambda: L.ConvTranspose(6, 4, output_padding=(2, 0)),
            "output_padding: 2 must be smaller than stride (=2) or dilation (=1)",
        ),
        (lambda: L.GroupNorm(12), "norm: 32 groups do not divide 12 channels. Use {group: 4}."),
        (lambda: L.Pool("max", (3, 3), padding=(2, 1)), "padding: 2 is more than half of kernel (=3)"),
    ],
)
def test_settings_that_do_not_fit(make: Any, message: str) -> None:
    """Both culprits with their values, and the mend."""
    with pytest.raises(SettingError) as caught:
        make()
    assert str(caught.value) == message


def test_resizing_needs_one_of_factor_and_size() -> None:
    """Neither or both say nothing."""
    for factor, size in ((None, None), ((2, 2), (4, 4))):
        with pytest.raises(FieldspecError, match="needs one of scale and size"):
            L.Resize(factor, size)


@pytest.mark.parametrize(
    ("layer", "scale"),
    [
        (L.Conv(4, 4, stride=(2, 1)), (2, 1)),
        (L.Pool("avg", (3, 3), (3, 2)), (3, 2)),
        (L.ConvTranspose(4, 4, stride=(2, 3)), (Fraction(1, 2), Fraction(1, 3))),
        (L.Resize(factor=(4, 1)), (Fraction(1, 4), 1)),
        (L.SpaceToDepth((2, 2)), (2, 2)),
        (L.DepthToSpace((2, 2)), (Fraction(1, 2), Fraction(1, 2))),
        (L.BatchNorm(4), ()),
    ],
)
def test_scale(layer: L.Layer, scale: tuple[Fraction | int, ...]) -> None:
    """Input units that a step of one output unit covers."""
    assert layer.scale == scale


@pytest.mark.parametrize(
    ("layer", "channels"),
    [
        (L.Conv(4, 6), 6),
        (L.ConvTranspose(4, 6), 6),
        (L.Linear(4, 6), 6),
        (L.GlobalPool("catavgmax"), 8),
        (L.GlobalPool("avg"), 4),
        (L.SpaceToDepth((2, 2)), 16),
        (L.DepthToSpace((2, 2)), 1),
        (L.Activation(), 4),
    ],
)
def test_channels_behind_a_layer(layer: L.Layer, channels: int) -> None:
    """Known without a map."""
    assert layer.out_channels_of(4) == channels


def test_channels_behind_a_merge() -> None:
    """A concat's are the sum; of a sum with one channel spread over the others, the larger."""
    assert L.Concat().merged_channels([4, 3, 1]) == 8
    assert L.Multiply().merged_channels([4, 1]) == 4


def test_layers_are_values() -> None:
    """Equal settings, equal layers; nothing can be changed afterwards."""
    assert L.Conv(3, 8) == L.Conv(3, 8)
    assert len({L.Conv(3, 8), L.Conv(3, 8), L.Conv(3, 9)}) == 2
    with pytest.raises(FrozenInstanceError):
        L.Conv(3, 8).out_channels = 9  # type: ignore[misc]  # that is the point
