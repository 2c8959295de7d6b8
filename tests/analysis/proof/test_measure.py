"""The measurers tell numbers that were worked out by hand, whatever the analysis says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.counts import (
    measure_buffers,
    measure_macs,
    measure_parameters,
    measure_shapes,
    measure_torchinfo_parameters,
    measure_trainable_parameters,
)
from fieldspec.analysis.proof.measurements.fields import FieldMeter, Units, measure_fields
from fieldspec.analysis.proof.measurements.memory import measure_live_bytes, measure_saved_bytes
from fieldspec.blocks.containers import AddTensors
from fieldspec.blocks.leaves import DepthToSpace, GlobalPool, SpaceToDepth


def height(*layers: nn.Module, count: int = 3, size: int = 32, step: int = 1, at_least: int = 96) -> Units:
    """Windows along the height of the last of these layers, in a chain."""
    net = nn.Sequential(*layers).eval()
    last = str(len(layers) - 1)
    return FieldMeter(net, (1, size, size), [last], 0, at_least=(at_least, at_least), step=(step, step)).units(
        last, count
    )


def conv(kernel: int, **settings: int) -> nn.Conv2d:
    """A square convolution of one channel."""
    return nn.Conv2d(1, 1, kernel, **settings)  # type: ignore[arg-type]  # numbers all of them


class TestCounts:
    """Parameters, buffers, shapes and multiply-adds."""

    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8 * 16, 2))

    def test_parameters_and_buffers(self) -> None:
        """A convolution has 224, its norm 16 and 17 buffers with the counter, the linear layer 258."""
        assert measure_parameters(self.net) == 3 * 8 * 9 + 8 + 2 * 8 + 128 * 2 + 2
        assert measure_torchinfo_parameters(self.net, (3, 4, 4)) == measure_parameters(self.net)
        assert measure_buffers(self.net) == 2 * 8 + 1

    def test_frozen_parameters_are_parameters(self) -> None:
        """What does not train is counted as well, and told apart."""
        layer = nn.Linear(2, 3)
        layer.bias.requires_grad_(False)
        assert measure_parameters(layer) == 9
        assert measure_trainable_parameters(layer) == 6
        assert measure_buffers(layer) == 0

    def test_shapes(self) -> None:
        """Each submodule's output without the batch; the whole under the empty path."""
        assert measure_shapes(self.net, (3, 4, 4)) == {
            "": (2,),
            "0": (8, 4, 4),
            "1": (8, 4, 4),
            "2": (128,),
            "3": (2,),
        }

    def test_macs(self) -> None:
        """16 places of 3 * 9 * 8 and 128 * 2; norms and flattening have none."""
        macs = measure_macs(self.net, (3, 4, 4))
        assert macs == {"": 3456 + 256, "0": 3456, "1": 0, "2": 0, "3": 256}

    def test_grouped_and_transposed_macs(self) -> None:
        """A depthwise convolution multiplies 9 times a unit, a transposed one once for each input and tap."""
        assert measure_macs(nn.Conv2d(8, 8, 3, padding=1, groups=8), (8, 4, 4))[""] == 8 * 16 * 9
        assert measure_macs(nn.ConvTranspose2d(8, 6, 3, 2), (8, 4, 4))[""] == 8 * 16 * 6 * 9

    def test_the_module_is_left_as_it_was(self) -> None:
        """Neither mode nor device nor hooks nor statistics of the module change."""
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        measure_shapes(net, (3, 8, 8))
        measure_macs(net, (3, 8, 8))
        measure_live_bytes(net, (3, 8, 8))
        measure_saved_bytes(net, (3, 8, 8))
        assert all(module.training and not module._forward_hooks for module in net.modules())
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class TestField:
    """Which pixels a unit reads: (pixels of unit 0, jump)."""

    def test_chain(self) -> None:
        """3, then + 2 at jump 1, then + 2 at jump 2: 7 pixels from -3 on."""
        units = height(conv(3, padding=1), conv(3, stride=2, padding=1), conv(3, padding=1), step=2)
        assert (units.period, units.advance, units.unit(0)) == (1, 2, tuple(range(-4, 5)))

    def test_even_kernel(self) -> None:
        """A kernel of 2 without padding reads pixels 0 and 1."""
        assert height(conv(2)).unit(0) == (0, 1)

    @pytest.mark.filterwarnings("ignore:Using padding='same'")
    def test_same_padding_of_an_even_kernel(self) -> None:
        """Torch pads one more after than before."""
        assert height(nn.Conv2d(1, 1, 4, padding="same")).unit(0) == (-1, 0, 1, 2)

    def test_holes_of_dilation(self) -> None:
        """A 3 of dilation 2 then a 3 of dilation 4 span 13 pixels and touch 7."""
        window = height(conv(3, dilation=2), conv(3, dilation=4)).windows[1]
        assert [pixel - window[0] for pixel in window] == [0, 2, 4, 6, 8, 10, 12]

    def test_strided_point(self) -> None:
        """A 1x1 of stride 2 leaves every other pixel out; a 3 behind it spans 5 and touches 3."""
        assert height(conv(1, stride=2), conv(3, padding=1), step=2).unit(0) == (-2, 0, 2)

    def test_max_pooling_with_ceil_mode(self) -> None:
        """Maximum pooling reads its whole window."""
        assert height(nn.MaxPool2d(3, 2, ceil_mode=True), step=2).unit(0) == (0, 1, 2)

    def test_transposed_convolution(self) -> None:
        """Kernel 3 at stride 2: even units read two, odd ones one; kernel 1 at stride 2 leaves odd units empty."""
        wide = height(nn.ConvTranspose2d(1, 1, 3, 2), count=5)
        assert (wide.period, wide.advance) == (2, 1)
        assert [wide.unit(0), wide.unit(1)] == [(-1, 0), (0,)]
        narrow = height(nn.ConvTranspose2d(1, 1, 1, 2), count=5)
        assert [narrow.unit(0), narrow.unit(1), narrow.unit(2)] == [(0,), (), (1,)]

    def test_nearest_doubling(self) -> None:
        """Behind a doubling, a 3 reads two input units: the one before or the one after as the phase has it."""
        units = height(nn.Upsample(scale_factor=2), conv(3, padding=1), count=5)
        assert [units.unit(0), units.unit(1), units.unit(2)] == [(-1, 0), (0, 1), (0, 1)]

    def test_nearest_rounding(self) -> None:
        """From 39 to 33, output 11 reads 12 where whole numbers say 13: torch rounds the ratio to float32."""
        units = height(nn.Upsample((33, 33)), count=67, size=39, step=39)
        assert (units.unit(10), units.unit(11), units.unit(12)) == ((11,), (12,), (14,))

    def test_bilinear_doubling(self) -> None:
        """Each unit lies between two input units, nearer to one of them."""
        units = height(nn.Upsample(scale_factor=2, mode="bilinear"), count=5)
        assert (units.unit(0), units.unit(1)) == ((-1, 0), (0, 1))

    def test_bilinear_that_hits(self) -> None:
        """Tripled, every third unit lies on an input unit and reads it alone."""
        units = height(nn.Upsample(scale_factor=3, mode="bilinear"), count=7)
        assert (units.unit(0), units.unit(1), units.unit(2)) == ((-1, 0), (0,), (0, 1))

    def test_adaptive_pooling(self) -> None:
        """10 to 4 has windows 0-2, 2-4, 5-7, 7-9, on a larger input too."""
        units = height(nn.AdaptiveMaxPool2d(4), count=5, size=10, step=10)
        assert [units.unit(i) for i in range(4)] == [(0, 1, 2), (2, 3, 4), (5, 6, 7), (7, 8, 9)]

    def test_patches(self) -> None:
        """Space to depth reads a patch; back again each unit reads one of its pixels, over all channels."""
        assert height(SpaceToDepth(2), step=2).unit(0) == (0, 1)
        assert height(SpaceToDepth(2), DepthToSpace(2), step=2).windows[1] in ((46,), (47,), (48,), (49,))

    def test_both_axes(self) -> None:
        """A 1x7 sees 1 by 7."""
        layer = nn.Sequential(nn.Conv2d(2, 2, (1, 7), padding=(0, 3)))
        rows, columns = measure_fields(layer, (2, 16, 16), {"0": 3}, at_least=(32, 32), step=(1, 1))["0"]
        assert (rows.unit(0), columns.unit(0)) == ((0,), tuple(range(-3, 4)))

    def test_all_channels_and_no_dead_gradient(self) -> None:
        """Channels that see more count, and neither negative weights nor activations nor norms hide anything."""

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.near, self.far, self.norm = conv(1), conv(5, padding=2), nn.BatchNorm2d(2)
                self.end = nn.Identity()
                for parameter in self.parameters():
                    nn.init.constant_(parameter, -1.0)

            def forward(self, x: Tensor) -> Tensor:
                both = torch.cat([self.near(x), F.relu(self.far(x))], 1)
                return self.end(self.norm(both))  # type: ignore[no-any-return]

        rows, _ = measure_fields(Net().eval(), (1, 16, 16), {"end": 3}, at_least=(32, 32), step=(1, 1))["end"]
        assert rows.unit(0) == (-2, -1, 0, 1, 2)

    def test_channels_that_differ_are_kept_apart(self) -> None:
        """A depthwise 3 behind a 1x1 beside a 5: one channel sees 3, the other 7, and a grouped split keeps that."""

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.near, self.far = conv(1), conv(5, padding=2)
                self.each = nn.Conv2d(2, 2, 3, padding=1, groups=2)
                self.left, self.both = nn.Identity(), nn.Identity()

            def forward(self, x: Tensor) -> Tensor:
                x = self.each(torch.cat([self.near(x), self.far(x)], 1))
                return self.left(x[:, :1]) + self.both(x)  # type: ignore[no-any-return]

        meter = FieldMeter(Net().eval(), (1, 16, 16), ["left", "both"], 0, at_least=(48, 48))
        assert [len(meter.units(path, 3).windows[0]) for path in ("left", "both")] == [3, 7]

    def test_gates_are_cut_and_products_are_not(self) -> None:
        """What global pooling sees is left out, a product of two maps sees both; uncut, the gate sees everything."""

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.body, self.mask, self.end = conv(3, padding=1), conv(5, padding=2), nn.Identity()
                self.pool = GlobalPool("max")

            def forward(self, x: Tensor) -> Tensor:
                x = self.body(x) * torch.sigmoid(self.mask(x))
                return self.end(x * self.pool(x))  # type: ignore[no-any-return]

        meter = FieldMeter(Net().eval(), (1, 16, 16), ["body", "end"], 0, at_least=(48, 48))
        assert meter.units("end", 3).unit(0) == (-2, -1, 0, 1, 2)
        assert (meter.sees_more("body", 3), meter.sees_more("end", 3)) == (False, True)

    def test_group_norm_is_global_and_layer_norm_is_not(self) -> None:
        """Statistics over the map let every unit see everything, statistics over channels do not."""
        net = nn.Sequential(conv(3, padding=1), nn.GroupNorm(1, 1)).eval()
        meter = FieldMeter(net, (1, 16, 16), ["1"], 0, at_least=(48, 48))
        assert (len(meter.units("1", 3).windows[0]), meter.sees_more("1", 3)) == (3, True)

    def test_pooled_over_the_map(self) -> None:
        """Eight neighbouring units of a 3 at stride 2 read 3 + 7 * 2 pixels together."""
        net = nn.Sequential(conv(3, stride=2, padding=1))
        meter = FieldMeter(net, (1, 16, 16), ["0"], 0, at_least=(64, 64), step=(2, 2))
        assert len(meter.together("0", 8, 8)) == 17

    def test_deep_chain_is_fast_enough(self) -> None:
        """100 layers: a field of 201, and its edge is 3^-100 of its middle."""
        units = height(*[conv(3, padding=1) for _ in range(100)], at_least=420)
        assert len(units.windows[0]) == 201

    def test_too_small(self) -> None:
        """An input in which the window does not fit is refused."""
        meter = FieldMeter(nn.Sequential(conv(9, padding=4)), (1, 4, 4), ["0"], 0, at_least=(5, 5))
        with pytest.raises(Unmeasurable, match="the window of 0 reaches the edge of an input of 5"):
            meter.units("0", 3)

    def test_sizes_that_the_network_refuses(self) -> None:
        """A network that is tied to its own input is not guessed at."""

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.conv, self.end = conv(3), nn.Identity()

            def forward(self, x: Tensor) -> Tensor:
                return self.end(self.conv(x).view(-1, 1, 14, 14))  # type: ignore[no-any-return]

        with pytest.raises(Unmeasurable, match="does not run linearized on 1x38x16: shape"):
            FieldMeter(Net(), (1, 16, 16), ["end"], 0, at_least=(38, 38)).units("end", 3)

    def test_dilated_max_pooling(self) -> None:
        """It reads every other pixel."""
        assert height(nn.MaxPool2d(3, 1, dilation=2)).unit(0) == (0, 2, 4)

    def test_no_pattern(self) -> None:
        """Windows that do not repeat have no period, no advance and no further units."""
        units = Units(4, ((1,), (2,), (9,)))
        assert (units.period, units.advance, units.unit(0)) == (None, None, None)


class Tree(nn.Module):
    """A map that is read twice: 3 tensors are alive at the end of the branch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.branch, self.sum = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1), AddTensors()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, height, width) -> (batch, 2, height, width)."""
        x = self.stem(x)
        return self.sum([x, self.branch(x), x])  # type: ignore[no-any-return]


class TestMemory:
    """Bytes of activations; one map of 1x4x4 float32 has 64."""

    def test_live_bytes(self) -> None:
        """Input and output of the stem, then two maps, then the sum beside its parts."""
        live = measure_live_bytes(Tree(), (1, 4, 4))
        assert live == {"input": 64, "stem": 64 + 128, "branch": 256, "sum": 3 * 128, "": 3 * 128}

    def test_views_share_memory(self) -> None:
        """Flattening and dropout in eval mode cost nothing."""
        net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Dropout(0.5), nn.Flatten())
        assert measure_live_bytes(net, (1, 4, 4)) == {"input": 64, "0": 192, "1": 128, "2": 128, "": 192}

    def test_saved_bytes(self) -> None:
        """Autograd keeps the inputs of both convolutions; their sum keeps nothing."""
        assert measure_saved_bytes(Tree(), (1, 4, 4)) == 64 + 128

    def test_saved_bytes_of_a_norm(self) -> None:
        """A norm keeps its input, and two numbers a channel whatever the batch; its output is nobody's."""
        net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
        assert measure_saved_bytes(net, (1, 4, 4)) == 64 + 128 + 2 * 2 * 4

    def test_saved_bytes_where_one_value_is_left(self) -> None:
        """Batch norm of a 1x1 map refuses a batch of one; larger batches tell all the same."""
        net = nn.Sequential(nn.Conv2d(1, 2, 4), nn.BatchNorm2d(2))
        assert measure_saved_bytes(net, (1, 4, 4)) == 64 + 2 * 4 + 2 * 2 * 4

    def test_what_leads_nowhere_is_not_kept(self) -> None:
        """A branch whose output nobody reads is let go of, its own outputs too."""

        class Dead(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.used, self.unused = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

            def forward(self, x: Tensor) -> Tensor:
                torch.relu(self.unused(torch.relu(self.unused(x))))
                return self.used(x)  # type: ignore[no-any-return]

        assert measure_saved_bytes(Dead(), (1, 4, 4)) == 64


class DropsByFunction(nn.Module):
    """Drop connect as EfficientNets outside timm have it: in train mode only, and no layer."""

    def __init__(self, drop: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.drop, self.conv = drop, nn.Conv2d(3, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> two rows and columns fewer."""
        x = self.conv(x)
        return self.drop(x) if self.training else x


@pytest.mark.parametrize(
    "drop", [lambda x: x * torch.rand(len(x), 1, 1, 1).floor(), nn.functional.dropout, torch.rand_like, torch.bernoulli]
)
def test_what_is_drawn_by_functions_in_train_mode_only(drop: Any) -> None:
    """A trace in eval mode cannot know of it: what autograd keeps is not measured, and refutes nothing."""
    with pytest.raises(Unmeasurable, match="in train mode the network draws random numbers with"):
        measure_saved_bytes(DropsByFunction(drop), (3, 8, 8))
    layers = nn.Sequential(nn.Conv2d(3, 3, 3), nn.Dropout(0.5))
    assert measure_saved_bytes(layers, (3, 8, 8)) == 4 * (3 * 64 + 3 * 36)
