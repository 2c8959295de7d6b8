"""The networks that ship, and MLPerf Tiny's, in LiteRT-Micro itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlperf_tiny
import numpy as np
import pytest
from catalogue_networks import CHEAP_NETWORKS

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.engines.tflm import measured_arena
from fieldspec.export.litert.metadata import flash_in, said_in
from fieldspec.export.litert.tflite import float_tflite, int8_tflite

pytest.importorskip("tflite_micro", reason="there is no wheel of tflite-micro for this platform")
TINY = (mlperf_tiny.autoencoder, mlperf_tiny.ds_cnn, mlperf_tiny.resnet8, mlperf_tiny.mobilenet_v1)


@pytest.mark.parametrize("name", CHEAP_NETWORKS)
@pytest.mark.parametrize("planned", [False, True])
def test_catalogue(name: str, planned: bool) -> None:
    """Head, planned or not, and flash are what was claimed; a card travels in the file."""
    report = engine_report(fs.load(name).graph)
    model = int8_tflite(report, fs.build(name).eval(), {"name": name}, planned=planned)
    assert measured_arena(model).head == (report.plan.size if planned else report.head)
    assert flash_in(model) == report.flash
    assert said_in(model) == {"name": name}


@pytest.mark.parametrize("network", TINY)
def test_mlperf_tiny(network: Callable[[], dict[str, Any]]) -> None:
    """The same of the figures that are published."""
    report = engine_report(fs.load(network()).graph)
    net = fs.build(network()).eval()
    assert measured_arena(int8_tflite(report, net, {})).head == report.head
    assert measured_arena(int8_tflite(report, net, {}, planned=True)).head == report.plan.size


def test_the_tail_is_bounded() -> None:
    """What stays in the arena is no part of any claim: two int32 for the scale of each channel with weights, and under
    260 bytes an operator, and 512 for the graph, for structures and tensors.
    """
    for name in CHEAP_NETWORKS:
        report = engine_report(fs.load(name).graph)
        lowered = report.lowered
        scales = 8 * sum(lowered.shapes[operator.output][0] for operator in lowered.operators if operator.flash)
        tail = measured_arena(int8_tflite(report, fs.build(name).eval(), {})).tail
        assert scales < tail < scales + 260 * len(lowered.operators) + 512


def test_int8_answers_as_float_does() -> None:
    """Calibrated on images of its own kind, the int8 file of a trained network names them alike."""
    import timm

    import fieldspec.timm_models  # noqa: F401  # registers the catalogue

    net: Any = timm.create_model("c1c2c3c40", pretrained=True).eval()
    report = engine_report(net.spec.graph)
    images = np.random.default_rng(0).standard_normal((48, 3, 32, 32)).astype(np.float32)
    whole, small = float_tflite(report, net, {}), int8_tflite(report, net, {}, images=images)
    same = LiteRT(whole)(images).argmax(1) == LiteRT(small)(images).argmax(1)
    assert same.mean() >= 0.9
    assert len(small) < 350_000 < len(whole)
