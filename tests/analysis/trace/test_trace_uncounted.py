"""Multiply-adds: every operation has a formula, or the total says that it is not complete and names what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torchvision.ops import DeformConv2d

import fieldspec as fs
from fieldspec.architectures.document.problems import Problems
from fieldspec.architectures.spec.constraints import evaluate_constraints, parse_constraints

IMAGE = (3, 16, 16)
CONV = 8 * 27 * 256  # multiply-adds of the first convolution
Use = Callable[[Any, Tensor], Tensor]


class Using(nn.Module):
    """A convolution to eight channels, and what a function makes of its output."""

    def __init__(self, use: Use, **parts: nn.Module) -> None:
        super().__init__()
        self.use, self.conv = use, nn.Conv2d(3, 8, 3, padding=1)
        self.vector, self.matrix = nn.Parameter(torch.ones(8)), nn.Parameter(torch.ones(5, 8))
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> whatever the function gives."""
        return self.use(self, self.conv(x))


def pooled(x: Tensor) -> Tensor:
    """(batch, channels)."""
    return x.mean((2, 3))


def last(x: Tensor) -> Tensor:
    """Channels last."""
    return x.permute(0, 2, 3, 1)


DEFORMABLE = {"offset": nn.Conv2d(8, 18, 3, padding=1), "deform": DeformConv2d(8, 4, 3, padding=1)}
MASKED = {**DEFORMABLE, "mask": nn.Conv2d(8, 9, 3, padding=1)}
CASES: list[tuple[str, Use, dict[str, nn.Module], int, str]] = [  # beside CONV; the status of the field
    ("deformable", lambda n, x: n.deform(x, n.offset(x)), DEFORMABLE, (18 + 4) * 72 * 256, "whole_input"),
    ("with a mask", lambda n, x: n.deform(x, n.offset(x), n.mask(x)), MASKED, (18 + 9 + 4) * 72 * 256, "whole_input"),
    ("bilinear", lambda n, x: n.b(pooled(x), x.amax((2, 3))), {"b": nn.Bilinear(8, 8, 5)}, 5 * 8 * 9, "exact"),
    ("of maps", lambda n, x: last(n.b(last(x), last(x * 2))), {"b": nn.Bilinear(8, 8, 5)}, 5 * 8 * 9 * 256, "exact"),
    ("map @ vector", lambda n, x: last(x) @ n.vector, {}, 8 * 256, "exact"),
    ("mv of weights", lambda n, x: torch.mv(n.matrix, pooled(x)[0]), {}, 5 * 8, "exact"),
    ("addmv", lambda n, x: torch.addmv(n.matrix[:, 0], n.matrix, pooled(x)[0]), {}, 5 * 8, "exact"),
    ("dot", lambda n, x: torch.dot(pooled(x)[0], n.vector), {}, 8, "exact"),
    ("weights alone", lambda n, x: x * torch.dot(n.vector, torch.mv(n.matrix.mT, n.matrix[:, 0])), {}, 8 + 40, "exact"),
    ("outer product", lambda n, x: x * torch.addr(n.matrix, n.matrix[:, 0], n.vector).sum(), {}, 40, "exact"),
    ("sum of products", lambda n, x: x * torch.addbmm(n.vector, x[:, 0], x[:, 1, :, :8]).sum(), {}, 2048, "any"),
    ("einsum", lambda n, x: torch.einsum("bchw,oc->bohw", x, n.matrix), {}, 5 * 8 * 256, "exact"),
    ("einsum to one", lambda n, x: torch.einsum("bchw,bchw->b", x, x), {}, 8 * 256, "exact"),
    ("in place", lambda n, x: last(x).flatten(0, 2).clone().addmm_(last(x).flatten(0, 2), n.matrix.mT @ n.matrix), {},
     8 * 8 * 256 + 5 * 64, "any"),
]  # fmt: skip


def deformed(net: Any, x: Tensor) -> Tensor:
    """Four channels, read where the map says."""
    found: Tensor = net.deform(x, net.offset(x))
    return found


def sampled(net: Any, x: Tensor) -> Tensor:
    """Four channels, at places that the map says."""
    return nn.functional.grid_sample(x[:, :4], net.offset(x)[:, :2].permute(0, 2, 3, 1), align_corners=False)


@pytest.mark.parametrize(("read", "products"), [(deformed, 18 + 4), (sampled, 18)])
def test_places_that_a_map_says_in_frames(read: Use, products: int) -> None:
    """Of every frame, folded into the batch: the map that is read there meets those of the others."""

    def of_frames(net: Any, x: Tensor) -> Tensor:
        frames = x.transpose(1, 2).flatten(0, 1)
        made: Tensor = read(net, frames) + frames[:, :4]
        return made.view(len(x), -1, *made.shape[1:]).transpose(1, 2)

    net = Using(of_frames, **DEFORMABLE)
    net.conv = cast(Any, nn.Conv3d(8, 8, 1))
    report = fs.analyze(net, input_size=(8, 3, 16, 16))
    assert (report.output.shape, report.output.status) == ((4, 3, 16, 16), "whole_input")
    assert report.macs == 3 * products * 72 * 256 + 8 * 8 * 3 * 256


def test_places_that_frames_say() -> None:
    """Offsets that are the units of an axis, here frames, do not become an axis of the output."""

    def of_an_axis(net: Any, x: Tensor) -> Tensor:
        found: Tensor = net.deform(x[:, :, 0], x[:, 0])
        return found

    net = Using(of_an_axis, deform=DEFORMABLE["deform"])
    net.conv = cast(Any, nn.Conv3d(8, 8, 3, padding=1))
    report = fs.analyze(net, input_size=(8, 18, 16, 16))
    assert report.output.status == "unknown"
    checks = fs.verify(net, input_size=(8, 18, 16, 16)).checks
    assert not [str(check) for check in checks if check.verdict in ("refuted", "failed")]


def test_places_that_features_say_for_a_frame() -> None:
    """Offsets that are computed as features have no layout of the frame's: the shape is told, and no more."""

    def of_features(net: Any, x: Tensor) -> Tensor:
        offsets = net.features(x.mean((2, 3, 4))).view(len(x), 18, 16, 16)
        found: Tensor = net.deform(x[:, :, 0], offsets)
        return found

    net = Using(of_features, features=nn.Linear(8, 18 * 256), deform=DEFORMABLE["deform"])
    net.conv = cast(Any, nn.Conv3d(8, 8, 1))
    report = fs.analyze(net, input_size=(8, 3, 16, 16))
    assert report.output.status == "unknown"
    checks = fs.verify(net, input_size=(8, 3, 16, 16)).checks
    assert not [str(check) for check in checks if check.verdict in ("refuted", "failed")]


@pytest.mark.parametrize(
    ("use", "parts", "products", "status"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_products_of_every_kind(use: Use, parts: dict[str, nn.Module], products: int, status: str) -> None:
    """Worked by hand, and proved by what torch runs."""
    net = Using(use, **parts)
    report = fs.analyze(net, input_size=IMAGE)
    assert (report.macs, report.macs_status) == (CONV + products, "exact")
    assert status in ("any", report.features.status)
    checks = [check for check in fs.verify(net, input_size=IMAGE).checks if check.what.startswith("macs")]
    assert {check.verdict for check in checks} == {"proved"}


UNKNOWN: list[tuple[str, Use]] = [
    ("_fft_r2c", lambda n, x: torch.fft.rfft2(x).abs()),
    ("linalg_matrix_exp", lambda n, x: x * torch.linalg.matrix_exp(n.matrix @ n.matrix.mT).sum()),
    ("_fft_c2c", lambda n, x: torch.fft.fft2(x).abs()),
]


@pytest.mark.parametrize(("operation", "use"), UNKNOWN, ids=[case[0] for case in UNKNOWN])
def test_what_nobody_counts_is_named(operation: str, use: Use) -> None:
    """The total is a lower bound everywhere that it is told, of the map's operations and of those of weights alone."""
    net = Using(use)
    report = fs.analyze(net, input_size=IMAGE)
    assert report.macs_status == "at_least"
    ((layer, missing),) = report.uncounted
    assert missing.operation == operation
    assert missing.place.endswith(".py:" + missing.place.rpartition(":")[2])
    assert report[layer].macs_status == "at_least"
    assert f"at least {report.macs:,} multiply-adds" in report.to_text()
    assert f"the multiply-adds of {operation} at " in report.to_markdown()
    assert report.to_dict()["macs_status"] == "at_least"
    assert report.to_dict()["uncounted"] == [{"layer": layer, "operation": operation, "place": missing.place}]
    assert sum(line.count("at_least") for line in report.to_csv().splitlines()) == 1
    assert "at least" in fs.ledger(report).to_text()
    checks = {check.what: check for check in fs.verify(net, input_size=IMAGE).checks if not check.layer}
    assert (checks["macs"].verdict, checks["macs status"].verdict) == ("not proved", "proved")
    assert operation in checks["macs"].reason


def test_no_constraint_holds_by_a_total_that_is_not_complete() -> None:
    """Neither above nor below a limit."""
    report = fs.analyze(Using(UNKNOWN[0][1]), input_size=IMAGE)
    for limit in ("< 1G", "> 1"):
        (verdict,) = evaluate_constraints(parse_constraints({"macs": limit}, (), Problems()), report)
        assert not verdict.holds
        assert verdict.has == f"no proven number (at least {report.macs:,})"


def test_operations_without_products_leave_a_total_complete() -> None:
    """Sorting, gathering, resizing, sampling: unknown as their places may be, they multiply nothing by a weight."""
    uses: list[Use] = [
        lambda n, x: x.sort(dim=2).values,
        lambda n, x: torch.gather(x, 2, x.argmax(2, keepdim=True)),
        lambda n, x: nn.functional.grid_sample(x, last(x)[..., :2], align_corners=False),
        lambda n, x: x.cumsum(3).roll(1, 2).flip(3).nan_to_num_().relu_(),
        lambda n, x: nn.functional.hardswish(nn.functional.logsigmoid(x), inplace=True),
    ]
    for use in uses:
        report = fs.analyze(Using(use), input_size=IMAGE)
        assert (report.macs, report.macs_status, report.uncounted) == (CONV, "exact", ())
