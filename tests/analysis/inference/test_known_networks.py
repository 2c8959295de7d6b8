"""Published figures: what MLPerf Tiny's files need in LiteRT-Micro, MobileNetV2, and the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlperf_tiny
import pytest

import fieldspec as fs
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.analysis.inference.planning import live_peak_in_place
from fieldspec.architectures.spec.catalogue import list_models

ROOT = Path(__file__).parents[3]
ROW = re.compile(r"^(\w+) +[\dx]+ +(\d+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+) +-?[\d,]+", re.MULTILINE)
SHOWN = re.compile(r"^\| `(\w+)` \| [\dx]+ \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)


def of(spec: Any) -> EngineReport:
    """A spec on LiteRT-Micro."""
    return engine_report(fs.load(spec).graph)


@pytest.mark.parametrize(
    ("network", "macs", "live", "head"),
    [
        (mlperf_tiny.autoencoder, 264_192, 768, 768),
        (mlperf_tiny.ds_cnn, 2_656_768, 16_000, 16_000),
        (mlperf_tiny.resnet8, 12_501_632, 49_152, 49_152),
        (mlperf_tiny.mobilenet_v1, 7_489_664, 55_296, 73_728),
    ],
)
def test_mlperf_tiny(network: Callable[[], dict[str, Any]], macs: int, live: int, head: int) -> None:
    """Multiply-adds, the live set, and the head of the arena; no norm is left, so both counts of the former agree."""
    report = of(network())
    assert fs.analyze(network()).macs == report.lowered.macs == macs
    assert (report.sram("live"), report.sram("tflm"), report.lowered.unfolded) == (live, head, [])
    assert report.sram("ordered") == report.sram("planned") == live


def test_mobilenet_v2() -> None:
    """96 maps of 112x112 and of 56x56; with the depthwise operator in place 96 and 16 maps of 112x112."""
    lowered = of(mlperf_tiny.mobilenet_v2()).lowered
    assert max(of(mlperf_tiny.mobilenet_v2()).live) == 96 * 112 * 112 + 96 * 56 * 56 == 1_505_280
    assert live_peak_in_place(lowered) == 96 * 112 * 112 + 16 * 112 * 112 == 1_404_928


def test_mobilenet_v2_with_torchs_padding() -> None:
    """The same peak: zeros around a map of 112x112 stand in the kernel, as a 4x4 one with the engine's `same`."""
    report = of("mobilenet_v2")
    assert report.sram("live") == report.sram("tflm") == 1_505_280
    assert sum(bool(one.grown) for one in report.lowered.operators) == 1


@pytest.mark.parametrize(
    ("name", "live", "head", "norms"),
    [
        ("c1c2c3c40", 360_448, 360_448, 9),
        ("c1c2c3c40_dilated", 720_896, 720_896, 9),
        ("c1c2c3c40_plus", 294_912, 327_680, 15),
        ("c1c2c3c40_strided", 360_448, 360_448, 9),
        ("c1c2c3c40_wide", 401_408, 401_408, 9),
    ],
)
def test_catalogue(name: str, live: int, head: int, norms: int) -> None:
    """The arena that the engine reports, and norms behind activations, which cost an operator each."""
    report = of(name)
    assert (report.sram("live"), report.sram("tflm"), len(report.lowered.unfolded)) == (live, head, norms)
    assert report.sram("planned") == live


def test_the_other_order_costs_no_operator() -> None:
    """Convolution, norm, activation: every norm goes into the weights before it."""
    document = fs.load("c1c2c3c40").to_dict()
    document["defaults"] = {**document["defaults"], "order": ["conv", "norm", "act"]}
    assert of(document).lowered.unfolded == []


def test_every_network_of_the_catalogue() -> None:
    """All run, as the benchmark says; plans reach the live bound. The page shows where the engine needs more."""
    rows = ROW.findall((ROOT / "benchmarks" / "engines.txt").read_text(encoding="utf-8"))
    assert [name for name, *_ in rows] == list_models()
    dearer = {}
    for name, *numbers in rows:
        operators, flash, live, ordered, tflm, planned = (int(number.replace(",", "")) for number in numbers)
        report = of(name)
        assert (len(report.lowered.operators), report.flash) == (operators, flash), name
        assert [report.sram(kind) for kind in ("live", "ordered", "tflm", "planned")] == [live, ordered, tflm, planned]
        assert planned == ordered <= live, name
        if planned < tflm:
            dearer[name] = [f"{number:,}" for number in (live, tflm, planned)]
    page = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    assert {name: row for name, *row in SHOWN.findall(page)} == dearer
