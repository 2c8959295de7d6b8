"""Networks of several inputs: what stands beside the image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from micro_networks import Net, refuted
from torch import Tensor, nn

import fieldspec as fs


class Conditioned(nn.Module):
    """A map, scaled by what is made of a second input."""

    def __init__(self, embed: nn.Module) -> None:
        super().__init__()
        self.embed, self.conv, self.out = embed, nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """(batch, 3, height, width) and anything of eight channels -> (batch, 8, height, width)."""
        made = self.embed(other)
        mapped: Tensor = self.out(self.conv(x) * made.reshape(*made.shape, *[1] * (4 - made.dim())))
        return mapped


class Times(nn.Module):
    """A scalar of each image times eight weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(8))

    def forward(self, time: Tensor) -> Tensor:
        """(batch,) -> (batch, 8)."""
        return time[:, None] * self.weights


def test_vectors_and_scalars_beside_the_image() -> None:
    """A class or a time sees no pixel: the field of the image stays what it is."""
    for embed, size in ((nn.Linear(5, 8), (5,)), (Times(), ())):
        features = fs.analyze(Conditioned(embed), input_size=[(3, 16, 16), size]).features
        assert (features.receptive_field, features.status) == ((5, 5), "exact")


def test_an_image_of_another_size() -> None:
    """Its pixels are not the first one's; the report says so."""
    report = fs.analyze(Conditioned(nn.Conv2d(3, 8, 9)), input_size=[(3, 16, 16), (3, 9, 9)])
    assert report.features.status == "unknown"
    assert "input:2 is 9, not the size of the image; everything that depends on it is unknown." in report.to_text()


WAVE = Net(lambda n, x: n.b(n.a(x.unsqueeze(1))), a=nn.Conv1d(1, 8, 9, 4), b=nn.Conv1d(8, 8, 3, 2))
EEG = Net(lambda n, x: n.b(n.a(x[:, None])), a=nn.Conv2d(1, 8, (1, 25), padding=(0, 12)), b=nn.Conv2d(8, 8, (22, 1)))
GREY = Net(lambda n, x: n.a(x[:, None]), a=nn.Conv2d(1, 3, 3))
STEPS = Net(lambda n, x: n.a(x.transpose(1, 2)), a=nn.Conv1d(16, 8, 3, padding=1))
GENERATOR = Net(lambda n, z: n.b(n.a(z).view(-1, 4, 8, 8)), a=nn.Linear(8, 256), b=nn.Conv2d(4, 3, 3))
WORDS = Net(lambda n, x: n.b(n.a(x).transpose(1, 2)), a=nn.Embedding(100, 16), b=nn.Conv1d(16, 8, 3))


@pytest.mark.parametrize(
    ("net", "size", "seen", "jump"),
    [
        (WAVE, (400,), (17,), (8,)),  # 9 + 2 * 4
        (EEG, (22, 100), (22, 25), (1, 1)),  # electrodes, time
        (GREY, (6, 20), (3, 3), (1, 1)),
        (STEPS, (50, 16), (3,), (1,)),  # steps, features
        (WORDS, (50,), (3,), (1,)),
        (WORDS, ((50,), torch.int64), (3,), (1,)),
        (WORDS, ((50,), "int32"), (3,), (1,)),
    ],
)
def test_dimensions_that_windows_run_along_are_axes(net: nn.Module, size: Any, seen: Any, jump: Any) -> None:
    """Whatever stands first: tensors without channels, channels last, rows of indices."""
    report = fs.analyze(net, input_size=size)
    assert (report.output.receptive_field, report.output.jump, report.output.status) == (seen, jump, "exact")
    assert refuted(net, size) == []


def test_a_vector_that_becomes_a_map() -> None:
    """The maps have two axes, the input has none: no unit has a place."""
    report = fs.analyze(GENERATOR, input_size=(8,))
    assert (report.output.shape, report.output.status, report.macs) == ((3, 6, 6), "whole_input", 8 * 256 + 36 * 108)
    assert refuted(GENERATOR, (8,)) == []


@pytest.mark.parametrize("last", [False, True])
def test_the_largest_input_is_the_image(last: bool) -> None:
    """Its pixels are counted wherever it stands."""
    size = [(8,), (3, 16, 16)] if last else [(3, 16, 16), (8,)]
    net = Net(lambda n, *x: n.a(x[last]) + x[not last][..., None, None], a=nn.Conv2d(3, 8, 3))
    report = fs.analyze(net, input_size=size)
    assert (report.input, report.features.receptive_field, report.features.status) == ((3, 16, 16), (3, 3), "exact")
    assert refuted(net, size) == []


class Named(nn.Module):
    """Takes its inputs by name."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3), nn.Embedding(10, 4)

    def forward(self, image: Tensor, label: Tensor) -> Tensor:
        """(batch, 3, height, width), (batch) -> (batch, 4, height - 2, width - 2)."""
        return self.a(image) + self.b(label)[..., None, None]  # type: ignore[no-any-return]  # torch


@pytest.mark.parametrize("net", [Named(), Net(lambda n, batch: n.a(**batch), a=Named())])
def test_inputs_by_name(net: nn.Module) -> None:
    """As arguments, or in one dict."""
    sizes = {"label": ((), "int64"), "image": (3, 16, 16)}
    report = fs.analyze(net, input_size=sizes)
    assert (report.features.receptive_field, report.features.status) == ((3, 3), "exact")
    assert (report.params, report.macs) == (112 + 40, 14 * 14 * 108)
    assert refuted(net, sizes) == []


@pytest.mark.parametrize("size", [((50,), "integers"), {"image": ((3, 16, 16), "float31")}])
def test_a_type_that_torch_has_not(size: Any) -> None:
    """Named, with the mend."""
    with pytest.raises(fs.FieldspecError, match="is not a dtype of torch, such as int64"):
        fs.analyze(GREY, input_size=size)
