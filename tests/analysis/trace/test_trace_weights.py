"""Every weight is counted once, of whatever kind: with those that nothing reads they are torch's sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import fieldspec as fs
from fieldspec.analysis.trace.endings.weight_counts import weights_of

INPUT = (4, 12)


class Using(nn.Module):
    """A convolution, and what a function makes of its output with further weights."""

    conv: Any
    head: Any
    table: Any

    def __init__(self, use: Callable[[Any, Tensor], Tensor], **weights: Tensor | nn.Module) -> None:
        super().__init__()
        self.use, self.conv = use, nn.Conv1d(4, 4, 3, padding=1)
        for name, weight in weights.items():
            setattr(self, name, weight)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, length) -> (batch, channels, length)."""
        return self.use(self, self.conv(x))


def still(tensor: Tensor) -> nn.Parameter:
    """A parameter that does not train."""
    return nn.Parameter(tensor, requires_grad=False)


def frozen() -> nn.Module:
    """One of two layers does not train."""
    net = nn.Sequential(nn.Conv1d(4, 4, 3), nn.Conv1d(4, 4, 3))
    net[0].requires_grad_(False)
    return net


def all_frozen() -> nn.Module:
    """A finished backbone with its norm."""
    return nn.Sequential(nn.Conv1d(4, 4, 3), nn.BatchNorm1d(4)).requires_grad_(False)


def tied() -> nn.Module:
    """One weight in two layers, and a layer that runs twice."""
    first, second = nn.Conv1d(4, 4, 3, padding=1), nn.Conv1d(4, 4, 3, padding=1)
    second.weight = first.weight
    return nn.Sequential(first, second, first)


def unread() -> nn.Module:
    """A layer that no forward pass runs, and a frozen weight beside one that is read."""
    net = Using(lambda net, x: x, head=nn.Linear(5, 6), spare=still(torch.ones(3)))
    net.head.bias.requires_grad_(False)
    return net


def computed() -> nn.Module:
    """Weights made of others: normalized, standardised, an outer product."""
    norm = weight_norm(nn.Conv1d(4, 4, 3, padding=1))

    def use(net: Any, x: Tensor) -> Tensor:
        mapped: Tensor = F.conv1d(net.norm(x), (net.a @ net.b)[:, :, None] - net.a.mean())
        return mapped

    return Using(use, norm=norm, a=nn.Parameter(torch.ones(4, 2)), b=still(torch.ones(2, 4)))


def handed() -> nn.Module:
    """A module that is given the weight of the one around it."""
    return Using(lambda net, x: net.scale(x * net.gain), scale=nn.Conv1d(4, 4, 1), gain=nn.Parameter(torch.ones(4, 1)))


def of_integers() -> nn.Module:
    """A table of indices among the parameters, the first of them."""
    net = Using(lambda net, x: x + net.table[0])
    net.conv = None
    net.table, net.conv = still(torch.arange(2000)), nn.Conv1d(4, 4, 3)
    return net


def of_complex_numbers() -> nn.Module:
    """Weights of two numbers each."""
    return Using(lambda net, x: x * net.wave.abs(), wave=nn.Parameter(torch.ones(4, 1, dtype=torch.complex64)))


def with_buffers() -> nn.Module:
    """Statistics, a counter, a constant that is kept, one that is not, one that nothing reads."""
    net = Using(lambda net, x: net.norm(x) * net.kept.float() * net.passing, norm=nn.BatchNorm1d(4))
    net.register_buffer("kept", torch.ones(4, 1, dtype=torch.float64))
    net.register_buffer("passing", torch.ones(4, 1), persistent=False)
    net.register_buffer("spare", torch.ones(7, dtype=torch.int32))
    return net


KINDS = [frozen, all_frozen, tied, unread, computed, handed, of_integers, of_complex_numbers, with_buffers]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_all_weights_are_counted(make: Callable[[], nn.Module]) -> None:
    """Parameters, those that train, buffers and their bytes: what is counted and what is unread are torch's sums."""
    net = make().eval()
    report = fs.analyze(net, input_size=INPUT)
    parameters, weights = dict(net.named_parameters()), weights_of(net)
    without = {name: weight for name, weight in weights.items() if name in report.unread}
    assert set(report.unread) <= set(weights)

    def elements(named: Mapping[str, Tensor]) -> int:
        return sum(weight.numel() for weight in named.values())

    idle = {name: weight for name, weight in without.items() if name in parameters}
    assert report.params + elements(idle) == elements(parameters)
    trained = {name: weight for name, weight in parameters.items() if weight.requires_grad}
    assert report.trainable_params + elements({n: w for n, w in idle.items() if n in trained}) == elements(trained)
    assert report.params + report.buffers + elements(without) == elements(weights)
    read = [weight for name, weight in weights.items() if name not in without]
    width = 4  # of one float32
    assert report.weight_bytes() == sum(
        w.numel() * (width if w.is_floating_point() else w.element_size()) for w in read
    )
    assert sum(layer.params for layer in report) == report.params
    assert sum(layer.trainable_params for layer in report) == report.trainable_params
    assert not [
        str(check) for check in fs.verify(net, input_size=INPUT).checks if check.verdict in ("refuted", "failed")
    ]


def test_a_buffer_of_indices_is_not_saved_once_more() -> None:
    """Autograd keeps indices; those that are the module's own take no further memory."""
    chosen = Using(lambda net, x: x[:, net.kept][:, torch.tensor([2, 0])].index_select(1, net.kept[:2]))
    chosen.register_buffer("kept", torch.tensor([3, 1, 0]))
    (saved,) = [check for check in fs.verify(chosen, input_size=INPUT).checks if check.what == "saved bytes"]
    assert (saved.verdict, saved.claimed) == ("proved", 4 * 4 * 12 + 8 * 2)


@pytest.mark.parametrize(
    ("index", "size"),
    [
        (torch.tensor([True, False, True, True]), 4),  # the mask, not the numbers of what it chooses
        ([True, False, True, True], 4),
        ([0, 2, 3], 8 * 3),
        (torch.tensor([0, 2, 3]), 8 * 3),
        (torch.tensor([0, 2, 3], dtype=torch.int32), 4 * 3),
        (slice(1, 4), 0),
    ],
)
def test_what_chooses_is_saved_as_it_was_given(index: Any, size: int) -> None:
    """A byte for each element of a mask, 4 or 8 for each number, beside the convolution's input."""
    net = Using(lambda _, x: x[:, index])
    (saved,) = [check for check in fs.verify(net, input_size=INPUT).checks if check.what == "saved bytes"]
    assert (saved.verdict, saved.claimed) == ("proved", 4 * 4 * 12 + size)


def test_unread_ones_are_named() -> None:
    """A layer that does not run, and a frozen weight."""
    assert fs.analyze(unread(), input_size=INPUT).unread == ("spare", "head.weight", "head.bias")


def test_frozen_ones_are_told_apart() -> None:
    """In the line of totals, in JSON and in CSV."""
    report = fs.analyze(frozen(), input_size=INPUT)
    assert "104 parameters (52 trainable)" in report.to_text()
    assert (report.to_dict()["params"], report.to_dict()["trainable_params"]) == (104, 52)
    columns = "params,trainable_params,buffers,macs,macs_status,other_ops,live_elements"
    assert report.to_csv().splitlines()[0].endswith(columns)


def test_a_dtype_that_torch_does_not_have() -> None:
    """The nearest is named; all of torch's are known."""
    report = fs.analyze(frozen(), input_size=INPUT)
    assert report.peak_bytes("uint8") * 4 == report.peak_bytes()
    assert report.weight_bytes("int16") * 2 == report.weight_bytes()
    for read in (report.peak_bytes, report.weight_bytes, report.memory):
        with pytest.raises(fs.FieldspecError, match=r"dtype: unknown 'float23'\. Did you mean 'float32'\?"):
            read("float23")
