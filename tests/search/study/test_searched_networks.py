"""The networks of the catalogue that studies found are candidates of the spaces in examples/, on their front."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fieldspec.architectures import analyze
from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.search import search_networks

EXAMPLES = Path(__file__).parents[3] / "examples"
REPEATS = {"layers[1].repeat": 1, "layers[3].repeat": 1}
STRIDED = {"conv": {"out": 48, "kernel": 3, "stride": 2, "act": "none"}}
SEPARABLE = {"depthwise_separable": {"out": 48, "kernel": 3, "stride": 2, "act": "none"}}
NARROW = {"depthwise_separable": {"out": 32, "kernel": 3, "stride": 2, "act": "none"}}
DILATED = {"conv": {"out": 64, "kernel": 3, "dilation": 2, "padding": 0, "act": "none"}}
FOUND: list[Any] = [  # network, its space, stem, c1 to c4 as expand and out, transitions, what is left open
    ("c1c2c3c40_searched", "under_c1c2c3c40", 32, ((160, 24), (112, 32), (240, 64), (288, 132)),
     (STRIDED, SEPARABLE, DILATED), 5 * 3 * 11 * 9 * 13),
    ("c1c2c3c40_small", "under_resnet8", 24, ((128, 24), (112, 32), (96, 32), (96, 96)),
     (NARROW, SEPARABLE, {"conv": DILATED["conv"] | {"out": 32}}), 11 * 3 * 17 * 9 * 11),
]  # fmt: skip


@pytest.mark.parametrize(("name", "space", "stem", "stages", "between", "left"), FOUND, ids=lambda one: str(one)[:20])
def test_networks_that_studies_found(
    name: str, space: str, stem: int, stages: tuple[tuple[int, int], ...], between: tuple[Any, ...], left: int
) -> None:
    """With most of its choices made, the exact front of the others has it; it is layer by layer the catalogue's."""
    made: dict[str, Any] = {"squeeze": {"default": None}, "layers[0].conv.out": stem}
    made |= {f"layers[{2 * n + 2}]": item for n, item in enumerate(between)}
    made |= {f"layers[{2 * n + 1}].inverted.out": stages[n][1] for n in (1, 2, 3)}
    result = search_networks(load_open(str(EXAMPLES / f"{space}.yaml"), **made, **REPEATS))
    assert (result.method, result.space) == ("exact", left)
    expands = [f"layers[{2 * n + 1}].inverted.expand" for n in range(4)]
    (found,) = [one for one in result.pareto if [one.values[path] for path in expands] == [one for one, _ in stages]]
    ours, theirs = analyze(name), analyze(found.document())
    assert [(one.layer, one.shape) for one in ours.layers] == [(one.layer, one.shape) for one in theirs.layers]
    assert (ours.params, ours.macs) == (found.measures["params"], found.measures["macs"])
