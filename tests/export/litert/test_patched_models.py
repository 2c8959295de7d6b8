"""A file run patch by patch gives the bits of the file as a whole, in the RAM that was claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from draws import draws
from hypothesis import Phase, assume, given, settings
from strategies import specs

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.analysis.inference.lowering.operators import EngineError
from fieldspec.analysis.inference.patches.patching import Patching, patchings
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.engines.tflm import measured_arena
from fieldspec.export.file.running import FOLDER
from fieldspec.export.litert.model_file import write_model
from fieldspec.export.litert.patches import PatchedModel
from fieldspec.export.litert.quantization import quantize
from fieldspec.export.litert.ranges import assumed_ranges
from fieldspec.training.quantization.folding import folded_weights

pytest.importorskip("tflite_micro", reason="there is no wheel of tflite-micro for this platform")


def some(found: list[Patching]) -> list[Patching]:
    """The least RAM, the fewest multiply-adds, and one between them."""
    return list({id(one): one for one in (found[0], found[len(found) // 2], found[-1])}.values())


def check(model: bytes, patching: Patching, images: Any) -> None:
    """The same bits; arenas to the byte."""
    whole, patched = LiteRT(model, exact=True), PatchedModel(model, patching, exact=True)
    assert np.array_equal(patched(images), whole(images))
    if whole.inputs["dtype"] == np.int8:
        assert max(measured_arena(file).head for file in patched.files.values()) == patching.arena
        assert measured_arena(patched.rest_file).head == patching.rest


@pytest.mark.parametrize("name", ["c1c2c3c40", "c1c2c3c40_plus"])
def test_the_files_that_ship(name: str) -> None:
    """In int8, with trained weights."""
    model, lowered = (FOLDER / f"{name}.int8.tflite").read_bytes(), engine_report(fs.load(name).graph).lowered
    images = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    check(model, some(patchings(lowered))[1], images)


CONV = {"out": 8, "norm": "none"}
PARTS: dict[str, list[dict[str, Any]]] = {
    "skip": [{"residual": {"body": [{"conv": {**CONV, "dilation": 2}}, {"conv": CONV}]}}],
    "branches": [
        {"parallel": {"merge": "concat", "branches": [[{"conv": {**CONV, "kernel": 5}}], [{"conv": CONV}], []]}}
    ],
    "shuffle": [
        {"parallel": {"split": True, "merge": "concat", "branches": [[], [{"conv": {**CONV, "out": 4}}]]}},
        {"shuffle": {"groups": 2}},
    ],
    "zeros in channels": [{"residual": {"out": 16, "shortcut": "pad", "stride": 2}}],
    "maximum": [{"pool": {"type": "max", "kernel": 3, "stride": 2, "padding": 1}}],
    "average": [{"pool": {"type": "avg", "kernel": 3, "stride": 2, "padding": 1}}],
    "resizing": [{"resize": {"scale": 2}}],
    "unlike axes": [{"conv": {**CONV, "kernel": [3, 5], "stride": [1, 2]}}],
}


@pytest.mark.parametrize("part", PARTS)
def test_parts(part: str) -> None:
    """In float32 and in int8: dilation, skips, branches, poolings, resizing."""
    layers = [{"conv": CONV}, *PARTS[part], {"conv": {**CONV, "stride": 2}}, {"conv": {**CONV, "stride": 2}}]
    spec = fs.load({"input": [3, 20, 26], "layers": layers, "head": {"classes": 4}})
    torch.manual_seed(0)
    lowered = engine_report(spec.graph).lowered
    model = write_model(lowered, folded_weights(lowered, fs.build(spec).eval()), "net")
    images = np.random.default_rng(0).standard_normal((1, *spec.input)).astype(np.float32)
    found = some(patchings(lowered))
    for patching in found:
        check(model, patching, images)
        check(quantize(model, assumed_ranges(lowered)), patching, images)


@given(specs())
@settings(
    draws(8),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a network would run the engine for many minutes
)
def test_specs_at_random(document: dict[str, Any]) -> None:
    """Whatever the engine can run and patches help."""
    try:
        report = engine_report(fs.load(document).graph)
    except EngineError:
        report = None
    assume(report is not None)
    assert report is not None
    found = patchings(report.lowered)
    assume(found)
    torch.manual_seed(0)
    model = write_model(report.lowered, folded_weights(report.lowered, fs.build(document).eval()), "net")
    images = np.random.default_rng(0).standard_normal((1, *report.lowered.shapes[0])).astype(np.float32)
    check(quantize(model, assumed_ranges(report.lowered)), found[0], images)
