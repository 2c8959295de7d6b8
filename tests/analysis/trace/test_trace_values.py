"""Operations whose result depends on values: what comes before is analysed, and what lies behind is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.ops import nms

import fieldspec as fs

IMAGE = (3, 16, 16)
CONV = 8 * 27 * 256  # multiply-adds of the first convolution
Use = Callable[[Any, Tensor], Any]


class Deciding(nn.Module):
    """A convolution, what a function makes of its output, and a head behind that."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.use, self.conv, self.head = use, nn.Conv2d(3, 8, 3, padding=1), nn.Sequential(nn.Conv2d(8, 5, 1))
        self.table: Tensor
        self.register_buffer("table", torch.arange(4))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 5, height, width)."""
        x = self.conv(x)
        self.use(self, x)
        head: Tensor = self.head(x)
        return head


def boxes(x: Tensor) -> Tensor:
    """Four numbers for each unit."""
    return x[0, :4].flatten(1).T


USES: list[tuple[str, Use]] = [
    ("item", lambda _, x: x.sum().item()),
    ("item", lambda _, x: float(x.mean())),
    ("item", lambda _, x: 1 if x.sum() > 0 else 2),
    ("item", lambda _, x: range(int(x.argmax()))),
    ("nonzero", lambda _, x: x.nonzero()),
    ("nonzero", lambda _, x: torch.where(x > 0)),
    ("index", lambda _, x: x[x > 0]),
    ("masked_select", lambda _, x: x.masked_select(x > 0)),
    ("_unique2", lambda _, x: torch.unique(x)),
    ("bincount", lambda _, x: x.argmax(1).flatten().bincount()),
    ("repeat_interleave", lambda _, x: x.repeat_interleave(x[0, 0, 0].long(), 3)),
    ("equal", lambda _, x: torch.equal(x, x * 2)),
    ("torchvision::nms", lambda _, x: nms(boxes(x), x[0, 0].flatten(), 0.5)),
    ("numpy", lambda _, x: x.numpy()),
    ("tolist", lambda _, x: x.tolist()),
]


@pytest.mark.parametrize(("operation", "use"), USES)
def test_an_operation_that_needs_values_ends_the_analysis(operation: str, use: Use) -> None:
    """What comes before is known; parameters are torch's sum, and the rest is named as not reached."""
    net = Deciding(use)
    report = fs.analyze(net, input_size=IMAGE)
    assert report.stop is not None
    assert (report.stop.operation.operation, report.stop.modules) == (operation, ("head",))
    file = "torchvision/ops/boxes.py:" if "nms" in operation else "test_trace_values.py:"
    assert file in report.stop.operation.place
    assert report.stop.weights == ("head.0.weight", "head.0.bias")
    assert (report.params, report.buffers) == (sum(p.numel() for p in net.parameters()), 4)
    assert report.weight_bytes() == 4 * report.params + 8 * 4
    assert (report.features.receptive_field, report.features.status) == ((3, 3), "exact")
    assert (report.macs, report.macs_status, report.memory().saved) == (CONV, "at_least", None)
    text = report.to_text()
    assert f"at least {CONV:,} multiply-adds" in text
    assert f"The result of {operation} at " in text
    assert "1 modules were not reached: head" in text
    plain = json.loads(report.to_json())["stop"]
    assert (plain["operation"], plain["modules"], plain["params"]) == (operation, ["head"], 45)


def test_verify_refutes_nothing_before_it() -> None:
    """Costs and fields before the operation are measured as any others; what lies behind is not."""
    verification = fs.verify(Deciding(lambda _, x: x.nonzero()), input_size=IMAGE)
    assert verification.ok
    proved = {check.what for check in verification.checks if check.verdict == "proved"}
    assert {"params", "buffers", "weight bytes", "macs status", "shape", "receptive_field"} <= proved
    (total,) = [check for check in verification.checks if check.what == "macs" and not check.layer]
    assert (total.verdict, total.reason) == ("not proved", "everything after nonzero is not counted")


def test_a_refuted_number_before_it_is_refuted() -> None:
    """The check can fail: torch counts more before the operation than is claimed."""
    from dataclasses import replace

    from fieldspec.analysis import prove, report_of_module

    net = Deciding(lambda _, x: x.nonzero()).eval()
    report = report_of_module(net, IMAGE)
    short = replace(report, macs=report.macs - 1)
    assert {check.what for check in prove(net, short) if check.verdict == "refuted"} == {"macs"}


def test_what_a_network_catches_does_not_go_on() -> None:
    """An `except Exception` around it would take another path than the network does with values."""

    def tried(net: Any, x: Tensor) -> None:
        try:
            x.sum().item()
        except Exception:  # that is the question
            net.head(x)

    report = fs.analyze(Deciding(tried), input_size=IMAGE)
    assert report.stop is not None
    assert len(report.layers) == 3


@pytest.mark.parametrize(
    "use",
    [
        lambda net, x: net.table[3].item(),
        lambda net, x: net.table.tolist(),
        lambda net, x: 1 if net.table.sum() > 2 else 2,
        lambda net, x: net.table[net.table > 2],
        lambda net, x: net.table.nonzero() + x.argmax(),
        lambda net, x: torch.arange(4).max().item(),
    ],
)
def test_values_that_are_the_networks_own_decide(use: Use) -> None:
    """Tables and counters have values: what follows from them is followed."""
    report = fs.analyze(Deciding(use), input_size=IMAGE)
    assert report.stop is None
    assert report["head"].shape == (5, 16, 16)


def test_a_counter_that_the_network_changes_has_no_value() -> None:
    """Its own would be that of the last time."""

    def counted(net: Any, x: Tensor) -> None:
        net.table[0] += 1
        assert int(net.table[0]) in (0, 1)

    net = Deciding(counted)
    assert fs.analyze(net, input_size=IMAGE).stop is not None
    assert net.table.tolist() == [0, 1, 2, 3]


DETECTORS = {"ssdlite320_mobilenet_v3_large": 6, "fasterrcnn_mobilenet_v3_large_320_fpn": 2}


@pytest.mark.parametrize("name", DETECTORS)
def test_whole_detectors_up_to_their_boxes(name: str) -> None:
    """Every level of the maps is known, though what is made of them depends on values."""
    net = torchvision.models.get_model(name, weights=None, weights_backbone=None)
    report = fs.analyze(net, input_size=(3, 320, 320))
    assert report.stop is not None
    assert report.params == sum(p.numel() for p in net.parameters())
    assert len(report.levels) == DETECTORS[name]
    assert all(level.is_proven for level in report.levels)
    assert report.features is report.levels[-1]
    if "rcnn" in name:
        assert report.stop.modules == ("roi_heads",)
        assert report.stop.module == "rpn"


def test_a_whole_tensor_written_in_place_part_by_part() -> None:
    """A batch is filled image by image: a part that is all of a tensor is the tensor."""

    def filled(_: Any, x: Tensor) -> Tensor:
        batch = x.new_zeros(1, 8, 16, 16)
        batch[0, :8, :16].copy_(x[0])
        return batch

    class Filling(Deciding):
        def forward(self, x: Tensor) -> Tensor:
            """As its kind, behind the function."""
            head: Tensor = self.head(self.use(self, self.conv(x)))
            return head

    report = fs.analyze(Filling(filled), input_size=IMAGE)
    assert (report.features.receptive_field, report.features.status) == ((3, 3), "exact")
    assert fs.verify(Filling(filled), input_size=IMAGE).ok
