"""The measured effective field: against a gradient by hand, and that it leaves the module as it was; pictures."""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from fieldspec.analysis.effective.effective_field import effective_receptive_field
from fieldspec.analysis.effective.measured_field import measured_effective_receptive_field
from fieldspec.analysis.effective.pictures import picture, plot_effective_field
from fieldspec.analysis.trace import report_of_module
from fieldspec.architectures import analyze, build
from fieldspec.blocks.errors import FieldspecError

SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Net(nn.Module):
    """A few layers with everything that a reading might disturb."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Conv2d(8, 4, 3, stride=2, padding=1)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 2)."""
        noise = torch.rand(1)  # a module may draw random numbers in eval mode too
        logits: Tensor = self.head(self.drop(self.body(self.stem(x))).mean((2, 3))) + 0 * noise
        return logits


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same weights and images every time: a unit behind a relu may have no gradient by chance."""
    torch.manual_seed(0)


@pytest.fixture
def net() -> Net:
    """Random weights and statistics."""
    made = Net()
    made(torch.randn(8, 3, 16, 16))  # statistics of the batch norm
    return made


def test_it_is_the_mean_absolute_gradient(net: Net) -> None:
    """Image by image, channel sums of |dy / dx|, whatever the batch size."""
    x = torch.randn(5, 3, 16, 16)
    field = measured_effective_receptive_field(net, x, layer="body", batch_size=2)
    assert (field.unit, field.images, tuple(field.values.shape)) == ((4, 4), 5, (16, 16))
    net.eval()
    expected = torch.zeros(16, 16, dtype=torch.float64)
    for image in x:
        one = image.unsqueeze(0).requires_grad_()
        (gradient,) = torch.autograd.grad(net.body(net.stem(one))[0, :, 4, 4].sum(), one)
        expected += gradient[0].abs().sum(0) / 5
    torch.testing.assert_close(field.values, expected)
    seen = field.values.nonzero()
    assert seen.amin(0).tolist() == [6, 6]  # unit 4 of a 3x3 with stride 2 behind a 3x3: 2 * 4 - 2 to 2 * 4 + 2
    assert seen.amax(0).tolist() == [10, 10]
    assert field.side(1.0) == (5, 5)


def test_a_network_of_ones_is_the_prior() -> None:
    """Where all weights are 1 and nothing is bent, the measured field is the path count itself."""
    layers: list[Any] = [
        {"conv": {"out": 1}},
        {"residual": {"body": [{"conv": {"out": 1}}]}},
        {"conv": {"out": 1, "stride": 2}},
    ]
    document = {"input": [1, 24, 30], "defaults": {"norm": "none", "act": "none"}, "layers": layers}
    net = build(document)
    for parameter in net.parameters():
        nn.init.constant_(parameter, 1.0)
    measured = measured_effective_receptive_field(net.double(), torch.randn(3, 1, 24, 30))
    prior = effective_receptive_field(analyze(document), unit=measured.unit)
    (top, bottom), (left, right) = [(axis.start, axis.stop) for axis in prior.axes]
    inside = (measured.values / measured.values.sum())[top:bottom, left:right]
    torch.testing.assert_close(inside, torch.tensor(prior.array(), dtype=torch.float64))
    assert measured.side() == prior.side()
    assert measured.std == pytest.approx(prior.std)
    assert measured.center == pytest.approx(prior.center)


def state(net: nn.Module) -> dict[str, Any]:
    """All that a reading must not change."""
    return {
        "modes": {name: module.training for name, module in net.named_modules()},
        "values": {name: value.clone() for name, value in net.state_dict().items()},
        "gradients": {name: parameter.grad for name, parameter in net.named_parameters()},
        "needed": {name: parameter.requires_grad for name, parameter in net.named_parameters()},
        "hooks": {name: len(module._forward_hooks) for name, module in net.named_modules()},
        "random": torch.random.get_rng_state(),
    }


def same(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether nothing has changed."""
    plain = all(before[key] == after[key] for key in ("modes", "gradients", "needed", "hooks"))
    values = all(torch.equal(value, after["values"][name]) for name, value in before["values"].items())
    return plain and values and torch.equal(before["random"], after["random"])


def test_the_module_stays_as_it_was(net: Net) -> None:
    """Mixed modes, statistics, gradients, hooks and random numbers, also after an error in the module."""
    net.train()
    net.drop.eval()
    net.body.weight.requires_grad_(False)
    before = state(net)
    measured_effective_receptive_field(net, torch.randn(4, 3, 16, 16), layer="stem")
    before["random"] = torch.random.get_rng_state()  # the images above were drawn
    measured_effective_receptive_field(net, torch.zeros(4, 3, 16, 16), layer="stem")
    assert same(before, state(net))
    with pytest.raises(RuntimeError):
        measured_effective_receptive_field(net, torch.zeros(4, 5, 16, 16), layer="stem")
    assert same(before, state(net))


@pytest.mark.parametrize("caller", [torch.no_grad, torch.inference_mode])
def test_callers_without_gradients(caller: Callable[[], Any], net: Net) -> None:
    """It works where the caller has switched gradients off, on images made there."""
    expected = measured_effective_receptive_field(net, torch.ones(2, 3, 16, 16), layer="body")
    with caller():
        field = measured_effective_receptive_field(net, torch.ones(2, 3, 16, 16), layer="body")
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(field.values, expected.values)


def test_kinds_of_inputs(net: Net, tmp_path: Path) -> None:
    """One batch, batches, single images, a loader's pairs: the same field; a folder by the module's own settings."""
    x = torch.randn(6, 3, 16, 16)
    whole = measured_effective_receptive_field(net, x, layer="body").values
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, torch.arange(6)), batch_size=4)
    for inputs in ([x[:4], x[4:]], list(x), loader, iter(x)):
        torch.testing.assert_close(measured_effective_receptive_field(net, inputs, layer="body").values, whole)
    assert measured_effective_receptive_field(net, x, layer="body", images=2).images == 2
    (tmp_path / "more").mkdir()
    for name, size in (("a.png", (20, 16)), ("more/b.png", (40, 64))):
        Image.new("RGB", size, (255, 128, 0)).save(tmp_path / name)
    config = {"input_size": (3, 16, 16), "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    net.pretrained_cfg = config  # type: ignore[assignment]  # as timm's networks have it
    images = torch.tensor([1.0, 2 * 128 / 255 - 1, -1.0]).view(1, 3, 1, 1).expand(2, 3, 16, 16)
    folder = measured_effective_receptive_field(net, tmp_path, layer="body")
    assert folder.images == 2
    torch.testing.assert_close(folder.values, measured_effective_receptive_field(net, images, layer="body").values)


def test_signals_and_volumes() -> None:
    """Any number of axes."""
    line = measured_effective_receptive_field(nn.Conv1d(2, 3, 5, padding=2), torch.randn(3, 2, 20))
    assert (line.unit, line.side(1.0), tuple(line.values.shape)) == ((10,), (5,), (20,))
    cube = measured_effective_receptive_field(nn.Conv3d(1, 2, 3, padding=1), torch.randn(2, 1, 7, 8, 9), unit=(3, 4, 4))
    assert cube.side(1.0) == (3, 3, 3)
    assert cube.center == pytest.approx((3, 4, 4), abs=1)


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ({"layer": "bdy"}, r"no submodule 'bdy'. Did you mean 'body'\?"),
        ({"layer": "head"}, "head: its output is 2x2, not a map; choose a submodule that returns a map"),
        ({}, "the output: its output is 2x2, not a map; choose a submodule"),
        ({"layer": "body", "unit": (8, 0)}, "unit: 8x0 is outside the 8x8 map"),
    ],
)
def test_refusals(how: dict[str, Any], error: str, net: Net) -> None:
    """One line each."""
    with pytest.raises(FieldspecError, match=error):
        measured_effective_receptive_field(net, torch.zeros(2, 3, 16, 16), **how)


def test_images_that_do_not_fit(net: Net, tmp_path: Path) -> None:
    """None at all, of different sizes, a folder without images, a module that does not say its size."""
    with pytest.raises(FieldspecError, match="no images"):
        measured_effective_receptive_field(net, [], layer="body")
    with pytest.raises(FieldspecError, match="images must all have the same size, gets 3x16x16 and 3x16x20"):
        measured_effective_receptive_field(net, [torch.zeros(3, 16, 16), torch.zeros(3, 16, 20)], layer="body")
    mixed = [torch.zeros(3, 16, 16), torch.zeros(3, 16, 20)]
    with pytest.raises(FieldspecError, match="images must all have the same size, gets 16x16 and 16x20"):
        measured_effective_receptive_field(net, mixed, layer="body", batch_size=1, unit=(4, 4))
    with pytest.raises(FieldspecError, match="needs a module whose pretrained_cfg has an input_size"):
        measured_effective_receptive_field(net, tmp_path, layer="body")
    net.pretrained_cfg = {"input_size": (3, 16, 16)}  # type: ignore[assignment]  # as timm's networks have it
    with pytest.raises(FieldspecError, match="has no image files"):
        measured_effective_receptive_field(net, tmp_path, layer="body")


def test_no_gradient(net: Net) -> None:
    """A unit that depends on no pixel, or whose gradient is 0 everywhere, has no field."""
    still = copy.deepcopy(net)
    still.stem.register_forward_hook(lambda module, inputs, output: output.detach())
    with pytest.raises(FieldspecError, match="body: its output does not depend on the image"):
        measured_effective_receptive_field(still, torch.zeros(1, 3, 16, 16), layer="body")
    nn.init.zeros_(net.body.weight)
    with pytest.raises(FieldspecError, match="body: unit 4x4 has no gradient on any of 1 images"):
        measured_effective_receptive_field(net, torch.zeros(1, 3, 16, 16), layer="body")


def test_text_and_data(net: Net) -> None:
    """A few lines, and plain data."""
    field = measured_effective_receptive_field(net, torch.randn(2, 3, 16, 16), layer="body")
    first, second, *_ = field.to_text().splitlines()
    assert first == "effective receptive field at body, measured on 2 images of 16"
    assert second == "  5 pixels hold 95 % of the gradient along each axis"
    data = field.to_dict()
    assert (data["unit"], data["images"], data["side"]) == ([4, 4], 2, [5, 5])
    assert sum(data["shares"][0]) == pytest.approx(1)
    assert sum(map(sum, field.array())) == pytest.approx(1)


# ------------------------------------------------------------------------------------------ pictures


def test_pictures(tmp_path: Path) -> None:
    """Both fields side by side: windows and sides where they belong, in a file of the format its name says."""
    document = {"input": [1, 24, 30], "layers": [{"conv": {"out": 2}}, {"conv": {"out": 2, "stride": 2}}]}
    torch.manual_seed(0)
    measured = measured_effective_receptive_field(build(document), torch.randn(3, 1, 24, 30))
    prior = effective_receptive_field(analyze(document), unit=measured.unit)
    figure = picture(prior, measured=measured)
    maps = [axes for axes in figure.axes if axes.patches and axes.images]
    assert [axes.get_title() for axes in maps] == ["paths counted", "gradient on 3 images"]
    for axes, field in zip(maps, (prior, measured), strict=True):
        image, window, side = axes.patches
        assert (image.get_width(), image.get_height()) == (30, 24)  # type: ignore[attr-defined]  # rectangles
        assert (window.get_width(), window.get_height()) == (5, 5)  # type: ignore[attr-defined]
        assert (side.get_height(), side.get_width()) == field.side()  # type: ignore[attr-defined]
    plot_effective_field(tmp_path / "field.png", prior, measured=measured)
    assert (tmp_path / "field.png").read_bytes().startswith(SIGNATURE)
    plot_effective_field(tmp_path / "field.svg", prior)
    assert "<svg" in (tmp_path / "field.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("net", "size"), [(nn.Conv1d(2, 3, 5, padding=2), (2, 20)), (nn.Conv3d(1, 2, 3, padding=1), (1, 7, 8, 9))]
)
def test_pictures_of_signals_and_volumes(net: nn.Module, size: tuple[int, ...], tmp_path: Path) -> None:
    """One axis has projections alone; of three the first is summed up."""
    measured = measured_effective_receptive_field(net, torch.randn(3, *size))
    prior = effective_receptive_field(report_of_module(net, size), unit=measured.unit)
    figure = picture(prior, measured=measured)
    maps = [axes for axes in figure.axes if axes.patches and axes.images]
    assert len(maps) == (0 if len(size) == 2 else 2)
    plot_effective_field(tmp_path / "field.png", prior, measured=measured)
    assert (tmp_path / "field.png").read_bytes().startswith(SIGNATURE)


def test_pictures_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another unit, an unknown format, no matplotlib: one line each."""
    document = {"input": [1, 24, 30], "layers": [{"conv": {"out": 2}}]}
    prior = effective_receptive_field(analyze(document))
    measured = measured_effective_receptive_field(build(document), torch.randn(4, 1, 24, 30), unit=(3, 3))
    with pytest.raises(FieldspecError, match="the prior is of unit 12x15, the measured field of 3"):
        picture(prior, measured=measured)
    with pytest.raises(FieldspecError, match=r"field.txt: needs a name that ends in .png, .pdf or .svg"):
        plot_effective_field(tmp_path / "field.txt", prior)
    real = builtins.__import__

    def missing(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(FieldspecError, match=r"plots need matplotlib: pip install 'fieldspec\[report\]'"):
        plot_effective_field(tmp_path / "field.png", prior)
