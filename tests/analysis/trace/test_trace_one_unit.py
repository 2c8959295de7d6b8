"""Maps of one unit and vectors that are made of them: what follows them runs, and sees what they see."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs


def channels_last(n: Any, x: Tensor) -> Tensor:
    """A linear layer over channels."""
    y: Tensor = n.l(x.permute(0, 2, 3, 1))
    return y.permute(0, 3, 1, 2)


def tokens(n: Any, x: Tensor) -> Tensor:
    """A linear layer over tokens."""
    y: Tensor = n.l(x.flatten(2).transpose(1, 2))
    return y.transpose(1, 2).reshape(len(x), -1, *x.shape[2:])


@pytest.mark.parametrize(
    ("tail", "size", "status"),
    [
        (nn.AdaptiveAvgPool2d(1), 2, "whole_input"),
        (nn.AdaptiveMaxPool2d((2, 1)), 2, "whole_input"),
        (nn.AvgPool2d(3, 1, 1), 2, "whole_input"),
        (nn.MaxPool2d(1), 2, "whole_input"),
        (nn.LPPool2d(2, 1), 2, "whole_input"),
        (Net(lambda n, x: x.mean((2, 3))), 2, "whole_input"),
        (Net(lambda n, x: x + x.mean((2, 3), keepdim=True)), 2, "whole_input"),
        (nn.Conv2d(4, 4, 3, padding=1), 10, "exact"),
        (nn.GroupNorm(2, 4), 2, "whole_input"),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, nn.Module) else "",
)
@pytest.mark.parametrize("linear", [channels_last, tokens])
def test_behind_a_linear_layer(linear: Any, tail: nn.Module, size: int, status: str) -> None:
    """Whatever has windows, or takes a mean: of 5x5 pixels the only unit sees 2x2, and a pool is of the whole map."""
    net = nn.Sequential(nn.Conv2d(4, 4, 2, 4), Net(linear, l=nn.Linear(4, 4)), tail)
    report = fs.analyze(net, input_size=(4, 5, 5))
    assert (report.output.receptive_field, report.output.status) == ((size, size), status)
    assert refuted(net, (4, 5, 5)) == []


@pytest.mark.parametrize(("name", "status"), [("caformer_s18", "whole_input"), ("tiny_vit_5m_224", "whole_input")])
def test_published_networks_on_small_images(name: str, status: str) -> None:
    """Their last maps have one unit; the linear layers before the pooling are channels-last, or over tokens."""
    with torch.device("meta"):
        net = timm.create_model(name, num_classes=5)
    report = fs.analyze(net, input_size=(3, 32, 32))
    assert (report.output.shape, report.features.status) == ((5,), status)


def steps(n: Any, x: Tensor) -> list[Tensor]:
    """Each step of a sequence by itself."""
    return [x[:, :, step] for step in range(x.shape[2])]


def loop(n: Any, x: Tensor) -> Tensor:
    """A cell, step by step, and a head at each of them."""
    state, states = None, []
    for step in steps(n, x):
        state = n.cell(step, state)
        states.append(state)
    return n.head(torch.stack(states, 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNNCell, 1), (nn.GRUCell, 3)])
def test_a_cell_in_a_loop(kind: Any, gates: int) -> None:
    """The head reads each state; the last of them has seen all steps, and a convolution one more on each side."""
    net = nn.Sequential(nn.Conv1d(4, 4, 3, padding=1), Net(loop, cell=kind(4, 5), head=nn.Linear(5, 3)))
    report = fs.analyze(net, input_size=(4, 6))
    assert (report.output.receptive_field, report.output.status) == ((8,), "exact")
    assert report.macs == 6 * (4 * 4 * 3 + gates * (4 * 5 + 5 * 5) + 5 * 3)
    assert refuted(net, (4, 6)) == []


def test_steps_keep_their_own_fields() -> None:
    """A head that takes one of them sees three steps, not six."""
    net = Net(lambda n, x: n.head(torch.stack(steps(n, n.conv(x)), 1))[:, 2],
              conv=nn.Conv1d(4, 4, 3, padding=1), head=nn.Linear(4, 3))  # fmt: skip
    output = fs.analyze(net, input_size=(4, 6)).output
    assert (output.receptive_field, output.start, output.status) == ((3,), (1,), "exact")


@pytest.mark.parametrize(("conv", "size"), [(nn.Conv1d, (4, 6)), (nn.Conv2d, (4, 6, 6))])
def test_a_linear_layer_along_one_unit(conv: Any, size: tuple[int, ...]) -> None:
    """Of each channel it makes four."""
    last = (slice(None), slice(None), *[slice(-1, None)] * (len(size) - 1))
    net = nn.Sequential(conv(4, 4, 3, padding=1), Net(lambda n, x: n.l(x[last]), l=nn.Linear(1, 4)))
    report = fs.analyze(net, input_size=size)
    assert report.output.receptive_field == (3,) * (len(size) - 1)
    assert report.macs - report["0"].macs == 4 * 4
    assert refuted(net, size) == []


@pytest.mark.parametrize("join", [torch.add, lambda x, y: torch.cat([x, y], 1)])
def test_a_shortcut_around_a_linear_layer(join: Any) -> None:
    """Where both operands have one unit, none is spread over the other: it sees 2x2 of 5x5 pixels, and no more."""
    block = Net(lambda n, x: join(x, channels_last(n, x)), l=nn.Linear(4, 4))
    net = nn.Sequential(nn.Conv2d(4, 4, 2, 4), block)
    output = fs.analyze(net, input_size=(4, 5, 5)).output
    assert (output.receptive_field, output.status) == ((2, 2), "exact")
    assert refuted(net, (4, 5, 5)) == []


@pytest.mark.parametrize("tail", [nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1)])
def test_the_other_readings(tail: nn.Module) -> None:
    """A vector on the way is a map of one unit for them, too: it sees 2x2 pixels, and all paths lead through it."""
    net = nn.Sequential(nn.Conv2d(4, 4, 2, 4), Net(channels_last, l=nn.Linear(4, 4)), tail)
    assert fs.ledger(net, input_size=(4, 5, 5)).entries[1].seen == ((2, 2), (2, 2))
    assert fs.effective_receptive_field(net, input_size=(4, 5, 5)).side(1.0) == (2, 2)
    with pytest.raises(fs.FieldspecError, match=r"^1\.l: its shape is known only for the input it was traced with$"):
        fs.tile_plan(net, 2, input_size=(4, 5, 5))


def test_a_gate_is_still_spread() -> None:
    """A vector beside a map of several units is one unit for all of them."""
    gate = Net(lambda n, x: x * n.l(x.mean((2, 3)))[:, :, None, None], l=nn.Linear(4, 4))
    output = fs.analyze(nn.Sequential(nn.Conv2d(4, 4, 2, 4), gate), input_size=(4, 8, 8)).output
    assert (output.receptive_field, output.status) == ((2, 2), "whole_input")
