"""The first operators patch by patch: cuts, what patches need, and the search against trying everything."""

from __future__ import annotations

from itertools import product
from typing import Any

import mlperf_tiny
import pytest

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.analysis.inference.patches.patch import NoPatchError, patch_of
from fieldspec.analysis.inference.patches.patching import MOST_PATCHES, Patching, cuts, least_patching, patchings
from fieldspec.analysis.inference.patches.spans import PATCHED, strip
from fieldspec.analysis.inference.patches.table import PatchTable
from fieldspec.analysis.inference.planning import live_peak, live_peak_in_place


def conv(out: int, **settings: Any) -> dict[str, Any]:
    """An item: a convolution with a relu."""
    return {"conv": {"out": out, "norm": "none", **settings}}


def network(*layers: dict[str, Any], size: int = 24) -> Lowered:
    """Layers on an image, and a head."""
    return lower(fs.load({"input": [3, size, size], "layers": list(layers), "head": {"classes": 4}}).graph)


SKIP = {"residual": {"body": [conv(16, dilation=2), conv(8)], "act": "none"}}
BRANCHES = {"parallel": {"merge": "concat", "branches": [[conv(8, kernel=5)], [conv(8, kernel=1), conv(8)], []]}}
NETWORKS = {
    "chain": network(conv(16), conv(16, stride=2), conv(16), conv(8, stride=2), conv(16, stride=2)),
    "skip": network(conv(8), SKIP, conv(16, stride=2), conv(16, stride=2)),
    "branches": network(conv(8, stride=2), BRANCHES, conv(8, stride=2), conv(8), size=28),
    "pooling": network(conv(16), {"pool": {"type": "max", "kernel": 3, "stride": 2, "padding": 1}}, conv(16, stride=2)),
    "padding": network(conv(12, padding=0), conv(12, kernel=5, stride=2), conv(12, stride=3, padding=0), size=27),
    "resizing": network(conv(8, stride=2), {"resize": {"scale": 2}}, conv(8), conv(8, stride=2), conv(8, stride=2)),
}


@pytest.fixture(params=NETWORKS, name="lowered")
def _lowered(request: pytest.FixtureRequest) -> Lowered:
    return NETWORKS[request.param]


def everything(lowered: Lowered) -> list[tuple[int, int]]:
    """RAM and multiply-adds of every cut and grid, by the definitions alone."""
    found = []
    for count, last in enumerate(lowered.operators[:-1], 1):
        made = {0, *(one.output for one in lowered.operators[:count])} - {last.output}
        read = {tensor for one in lowered.operators[count:] for tensor in one.inputs}
        patched = all(one.kind in PATCHED for one in lowered.operators[:count])
        is_map = len(lowered.shapes[last.output]) == 3 and last.kind != "pad"
        if made & (read | set(lowered.outputs)) or not patched or not is_map:
            continue
        (cut,) = [one for one in cuts(lowered) if one.count == count]
        sizes = lowered.shapes[cut.tensor][1:]
        for steps in product(*({-(-size // number) for number in range(1, MOST_PATCHES + 1)} for size in sizes)):
            strips = [
                [
                    strip(lowered, cut.before, cut.tensor, axis, (first, min(size, first + step)))
                    for first in range(0, size, step)
                ]
                for axis, (size, step) in enumerate(zip(sizes, steps, strict=True))
            ]
            if any(one is None for along in strips for one in along):
                continue
            patches = [
                patch_of(lowered, cut.before, rows, columns).lowered
                for rows, columns in product(*strips)
                if rows and columns
            ]
            held = lowered.sizes[0] + lowered.sizes[cut.tensor]
            need = max(held + max(map(live_peak, patches)), live_peak(cut.rest))
            if len(patches) > 1 and need < live_peak(lowered):
                found.append((need, sum(one.macs for one in patches) + cut.rest.macs))
    return found


def test_nothing_beats_what_is_found(lowered: Lowered) -> None:
    """Every cut and grid is worse than one that is found in RAM or in multiply-adds, and the least is the least."""
    tried = everything(lowered)
    front = [(one.live, one.macs) for one in patchings(lowered)]
    assert front
    assert set(front) <= set(tried)
    assert all(any(live <= need and macs <= cost for live, macs in front) for need, cost in tried)
    least = least_patching(lowered)
    assert least is not None
    assert (least.live, least.macs) == front[0] == min(tried)


def test_patches_cover_the_map(lowered: Lowered) -> None:
    """Each unit of it is written once, from a part of the image that lies inside it."""
    for patching in patchings(lowered):
        _, height, width = lowered.shapes[patching.cut.tensor]
        written = [
            (row, column)
            for patch in patching.patches
            for row in range(*patch.writes[0])
            for column in range(*patch.writes[1])
        ]
        assert sorted(written) == list(product(range(height), range(width)))
        assert (
            sum(number for _, number in patching.kinds) == len(patching.patches) == patching.grid[0] * patching.grid[1]
        )
        for patch in patching.patches:
            for (first, end), size in zip(patch.reads, lowered.shapes[0][1:], strict=True):
                assert 0 <= first < end <= size


def test_what_the_rest_needs(lowered: Lowered) -> None:
    """Told without laying it out, it is what the rest as a network of its own needs."""
    assert cuts(lowered)
    assert all(cut.behind == live_peak(cut.rest) for cut in cuts(lowered))


def test_patches_that_would_not_help() -> None:
    """The peak lies behind the last cut, or in front of the first."""
    for document in (mlperf_tiny.autoencoder(), mlperf_tiny.ds_cnn()):
        report = engine_report(fs.load(document).graph)
        assert (report.patching, report.sram("patched")) == (None, None)
        assert "would not need less" in report.to_text()
        assert PatchTable(report.lowered).to_text() == "Patches: none needs less than the network as a whole"


def test_a_maximum_that_zeros_could_win() -> None:
    """Zeros of a patch's border stand before a maximum only where no value is negative."""
    pool = {"pool": {"type": "max", "kernel": 3, "stride": 1, "padding": 1}}
    lowered = network(conv(8, act="none"), pool, conv(8, stride=2), conv(8, stride=2))
    (cut,) = [one for one in cuts(lowered) if one.count == 2]
    rows, columns = (strip(lowered, cut.before, cut.tensor, axis, (0, 12)) for axis in (0, 1))
    assert rows is not None
    assert columns is not None
    with pytest.raises(NoPatchError, match="zeros around a maximum could win"):
        patch_of(lowered, cut.before, rows, columns)


def test_a_strip_of_zeros() -> None:
    """A unit that reads nothing but padding is no patch's only one."""
    lowered = network(conv(8, kernel=1, padding=1), conv(8, stride=2), conv(8, stride=2))
    assert strip(lowered, lowered.operators[:2], lowered.operators[1].output, 0, (0, 1)) is None
    assert strip(lowered, lowered.operators[:2], lowered.operators[1].output, 0, (0, 2)) is not None


def found_for(document: dict[str, Any]) -> Patching:
    """The least RAM."""
    patching = least_patching(lower(fs.load(document).graph))
    assert patching is not None
    return patching


def test_known_networks() -> None:
    """ResNet-8 and MobileNetV1 of MLPerf Tiny: 49,152 and 55,296 bytes as a whole."""
    assert found_for(mlperf_tiny.resnet8()).size == 17_760
    assert found_for(mlperf_tiny.mobilenet_v1()).size == 38_256


def test_mobilenet_v2_beside_mcunet_v2() -> None:
    """MCUNetV2 names 172 kB, 171.5 KiB: depthwise in place, and the skip that is held not counted.

    Here both are counted, as LiteRT-Micro runs neither in place; the image is held while patches run.
    """
    patching = found_for(mlperf_tiny.mobilenet_v2())
    unit = 28 * 28
    assert patching.size == patching.rest == (2 * 192 + 32) * unit == 326_144
    in_place = live_peak_in_place(patching.cut.rest)
    assert in_place == (192 + 2 * 32) * unit == 200_704  # the input of the projection, its output, the skip
    assert in_place - 32 * unit == 175_616 == 171.5 * 1024
    assert patching.cut.held + patching.arena < patching.size


def test_the_table() -> None:
    """Less RAM costs more multiply-adds, row by row."""
    table = PatchTable(NETWORKS["chain"])
    rows = table.to_dict()
    assert [row["sram"] for row in rows] == sorted({row["sram"] for row in rows})
    assert [row["macs"] for row in rows] == sorted({row["macs"] for row in rows}, reverse=True)
    assert rows[0]["sram"] == max(rows[0]["held"] + rows[0]["arena"], rows[0]["rest"])
    assert len(table.to_text().splitlines()) == len(rows) + 3
