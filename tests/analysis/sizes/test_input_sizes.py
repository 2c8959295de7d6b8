"""Valid input sizes: tables by hand, and every one tried on the loader and on the built network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from draws import draws
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import specs
from torch import nn

from fieldspec.analysis.ledger.ledger import ledger_of
from fieldspec.analysis.sizes.input_sizes import valid_input_sizes
from fieldspec.analysis.sizes.periodic_sizes import PeriodicSizes
from fieldspec.analysis.sizes.resized_shapes import FixedShapeError, ResizedGraph
from fieldspec.analysis.sizes.tiling import tile_plan
from fieldspec.analysis.trace import report_of_module
from fieldspec.architectures import analyze, build, load
from fieldspec.architectures.document.problems import SpecError
from fieldspec.blocks.errors import FieldspecError

CONV: dict[str, Any] = {"conv": {"out": 2}}
VALID: dict[str, Any] = {"conv": {"out": 2, "padding": 0}}
HALVE: dict[str, Any] = {"max_pool": {"kernel": 2}}


def u_net(depth: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    """Down and up again, with a concat at each level."""
    items: list[dict[str, Any]] = []
    for level in range(depth):
        items += [{**block, "id": f"down{level}"}, HALVE]
    items.append(block)
    for level in reversed(range(depth)):
        items += [{"resize": {"scale": 2}, "id": f"up{level}"}, {"concat": {}, "from": [f"up{level}", f"down{level}"]}]
        items.append(block)
    return items


TABLES: dict[str, tuple[list[dict[str, Any]], str, str]] = {
    "convolution": ([CONV], "1 and more", "1 and more"),
    "without padding": ([VALID, VALID], "5 and more", "5 and more"),
    "stride 2": ([{"conv": {"out": 2, "stride": 2}}], "1 and more", "1 and more"),  # the padding takes the odd one in
    "stride 2, kernel 2": ([HALVE], "2 and more", "2, 4, 6, ... (every 2)"),
    "stride 4 and 3": (
        [{"conv": {"out": 2, "kernel": 4, "stride": 4, "padding": 0}}, {"avg_pool": {"kernel": 3}}],
        "12 and more",
        "12, 24, 36, ... (every 12)",
    ),
    "holes": ([{"conv": {"out": 2, "kernel": 1, "stride": 3}}], "1 and more", "1 and more"),  # 1 of 3 is meant so
    "ceil": ([{"max_pool": {"kernel": 2, "ceil_mode": True}}], "1 and more", "1 and more"),
    "U-Net": (u_net(4, CONV), "16, 32, 48, ... (every 16)", "16, 32, 48, ... (every 16)"),
    "patches": ([{"space_to_depth": {"block": 4}}], "4, 8, 12, ... (every 4)", "4, 8, 12, ... (every 4)"),
    "flattened": ([CONV, {"flatten": {}}, {"linear": {"out": 3}}], "32", "32"),
    "adaptive": ([HALVE, {"adaptive_pool": {"type": "avg", "size": 3}}], "2 and more", "2, 4, 6, ... (every 2)"),
}  # fmt: skip


def document(layers: list[dict[str, Any]], height: int = 32, width: int = 32) -> dict[str, Any]:
    """A spec of these layers."""
    return {"input": [2, height, width], "defaults": {"norm": "none"}, "layers": layers}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name: str) -> None:
    """PeriodicSizes that run, and those that leave nothing unread, by hand."""
    layers, runs, whole = TABLES[name]
    found = valid_input_sizes(analyze(document(layers)))
    assert found is not None
    assert [(str(one.runs), str(one.whole)) for one in found] == [(runs, whole)] * 2


@pytest.mark.parametrize("name", TABLES)
def test_the_built_network_runs_at_these_and_no_others(name: str) -> None:
    """Tried with torch at every height from two to sixty."""
    layers, _, _ = TABLES[name]
    found = valid_input_sizes(analyze(document(layers)))
    assert found is not None
    net = build(document(layers)).to("meta").eval()
    ran = []
    for height in range(2, 60):
        try:
            net(torch.empty(1, 2, height, 32, device="meta"))
        except RuntimeError:
            continue
        ran.append(height)
    assert ran == [height for height in range(2, 60) if height in found[0].runs]


def test_the_first_u_net() -> None:
    """Ronneberger et al. 2015: 572 pixels, and every 16 more or less; the way down decides."""
    down: list[dict[str, Any]] = []
    for _ in range(4):
        down += [VALID, VALID, HALVE]
    found = valid_input_sizes(analyze(document([*down, VALID, VALID], 572, 572)))
    assert found is not None
    assert str(found[0].whole) == "140, 156, 172, ... (every 16)"
    assert 572 in found[0].whole
    assert found[0].whole.near(580) == (572, 588)


@draws(60)
@given(specs(max_items=4), st.data())
def test_what_runs_is_what_loads(document: dict[str, Any], data: st.DataObject) -> None:
    """The same spec with another height loads just when the height is among those that run."""
    assume("flatten" not in str(document["layers"]))  # a linear layer takes its width from what it is given
    assume("'tf'" not in str(document))  # whose padding is another for each input size
    report = analyze(document)
    found = valid_input_sizes(report)
    assert found is not None
    runs = found[0].runs
    assert report.input[1] in runs
    height = data.draw(st.integers(1, max(runs.start, report.input[1]) + 3 * runs.step), label="height")
    channels, _, width = report.input
    wrong = ""
    try:
        load({**document, "input": [channels, height, width]})
    except SpecError as error:
        wrong = str(error)
    assume("different jumps" not in wrong)  # a map of one unit is of another kind: that is no matter of shapes
    assert (height in runs) == (not wrong), wrong


class Back(nn.Module):
    """A convolution, and back to the size of the image, as segmentation heads do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 3, height, width) -> (batch, 4, height, width)."""
        return nn.functional.interpolate(self.conv(x), x.shape[-2:], mode="bilinear")


@pytest.mark.parametrize("name", ["alexnet", "densenet121", "convnext_tiny"])
def test_any_module(name: str) -> None:
    """Traced networks of torchvision: torch runs them at the heights found and, below the first of them, at none."""
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None).eval()
    found = valid_input_sizes(report_of_module(net, (3, 96, 96)))
    assert found is not None
    runs = found[0].runs
    for height in (runs.start - 1, runs.start, 61, 96, 101):
        if height in runs:
            net(torch.empty(1, 3, height, 96, device="meta"))
        else:
            with pytest.raises(RuntimeError):
                net(torch.empty(1, 3, height, 96, device="meta"))


@pytest.mark.parametrize(("mode", "least"), [("reflect", 4), ("circular", 3), ("replicate", 1)])
def test_padding_that_needs_room(mode: Any, least: int) -> None:
    """Reflection takes three units beside the edge, wrapping three with it: torch refuses smaller maps."""
    net = nn.Conv2d(3, 4, 7, padding=3, padding_mode=mode)
    found = valid_input_sizes(report_of_module(net, (3, 16, 16)))
    assert found is not None
    assert str(found[0].runs) == f"{least} and more"
    net(torch.zeros(1, 3, least, 16))
    with pytest.raises(RuntimeError):
        net(torch.zeros(1, 3, least - 1, 16))


def test_a_size_seen_once_is_not_known() -> None:
    """Tracing sees a number where the code takes the image's size: nothing is claimed of other images."""
    report = report_of_module(Back(), (3, 32, 32))
    assert valid_input_sizes(report) is None
    assert "input sizes that run: unknown" in ledger_of(report).to_text()
    with pytest.raises(
        FieldspecError, match="upsample_bilinear2d returns 32 units for any input; name an earlier layer"
    ):
        tile_plan(report, 8)
    with pytest.raises(FixedShapeError, match="upsample_bilinear2d: its shape is known only for the input"):
        ResizedGraph(report.graph).shapes((3, 48, 48))


def test_sizes() -> None:
    """Words, membership and the nearest, for patterns of each kind."""
    some = PeriodicSizes((3,), 8, 4, (0, 1))
    assert [n for n in range(1, 18) if n in some] == [3, 8, 9, 12, 13, 16, 17]
    assert str(some) == "3, 8, 9, 12, ... (2 of every 4)"
    assert some.near(11) == (9, 12)
    assert some.near(2) == (None, 3)
    end = PeriodicSizes((5, 7), 8, 1, ())
    assert (str(end), end.near(9), 8 in end) == ("5, 7", (7, None), False)
    assert str(PeriodicSizes((), 1, 1, ())) == "none"
    assert str(PeriodicSizes((1,), 4, 1, (0,))) == "1, 4 and more"
