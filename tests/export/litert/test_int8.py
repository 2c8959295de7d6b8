"""What makes int8 keep its accuracy: channels of one range, ranges that lose least, one scale where tensors move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.litert.model_file import write_model
from fieldspec.export.litert.quantization import quantize
from fieldspec.export.litert.ranges import Observer, observed_ranges
from fieldspec.export.litert.tflite import int8_tflite
from fieldspec.training.quantization.equalization import equalized, equalizing_factors
from fieldspec.training.quantization.folding import folded_weights
from fieldspec.training.quantization.ranges import least_squares_range, united

SPEC: dict[str, Any] = {
    "input": [3, 16, 16],
    "defaults": {"order": ["conv", "act", "norm"]},
    "layers": [
        {"conv": {"out": 8}},
        {"inverted_residual": {"expand": 24, "out": 8}},
        {"conv": {"out": 8, "stride": 2}},
    ],
    "head": {"classes": 10},
}


def uneven() -> nn.Module:
    """The network, with channels of very different size behind its first activation."""
    torch.manual_seed(0)
    net = fs.build(SPEC).eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
                module.running_var.uniform_(0.5, 2)
            if isinstance(module, nn.Conv2d):
                module.weight.mul_(torch.logspace(-1.5, 0.3, len(module.weight)).reshape(-1, 1, 1, 1))
    return net


def test_equalization_changes_nothing_in_float() -> None:
    """The same answers to 1e-5; channels before a depthwise operator have one range; int8 is nearer to float."""
    net, lowered = uneven(), lower(fs.load(SPEC).graph)
    images = np.random.default_rng(0).standard_normal((16, 3, 16, 16)).astype(np.float32)
    weights = folded_weights(lowered, net)
    before = write_model(lowered, weights, "net")
    observer = Observer(before)
    observer.see(images, range(len(lowered.shapes)))
    extents = {tensor: torch.from_numpy(extent) for tensor, extent in observer.extents.items()}
    after = write_model(lowered, equalized(lowered, weights, equalizing_factors(lowered, weights, extents)), "net")
    want = LiteRT(before)(images)
    assert np.abs(LiteRT(after)(images) - want).max() <= 1e-5 * np.abs(want).max()
    again = Observer(after)
    again.see(images, range(len(lowered.shapes)))
    first = lowered.operators[0]
    assert (first.kind, lowered.operators[1].kind) == ("conv", "depthwise_conv")
    was, now = (one.extents[first.output] for one in (observer, again))
    assert was.max() / was.min() > 20
    assert np.allclose(now, now.max(), rtol=1e-4)
    errors = [
        np.abs(LiteRT(quantize(model, observed_ranges(lowered, model, images)))(images) - want).mean()
        for model in (before, after)
    ]
    assert errors[1] < errors[0]


def test_observed() -> None:
    """All that was seen, zero included; the samples are of it."""
    lowered = lower(fs.load(SPEC).graph)
    images = np.random.default_rng(0).uniform(0.5, 1, (3, 3, 16, 16)).astype(np.float32)
    observer = Observer(write_model(lowered, folded_weights(lowered, uneven()), "net"), kept=100)
    observer.see(images, [0])
    assert observer.extremes == {0: (0.0, float(images.max()))}
    assert [len(one) for one in observer.samples[0]] == [100] * 3
    assert np.allclose(observer.extents[0], images.max(axis=(0, 2, 3)))


def test_least_squares_range() -> None:
    """A lone value far out is cut off; without one nearly all is kept."""
    values = np.linspace(0, 1, 10_000, dtype=np.float32)
    assert least_squares_range(values, (0.0, 1.0))[1] > 0.9
    low, high = least_squares_range(np.append(values, np.float32(3.0)), (0.0, 3.0))
    assert low == 0.0
    assert 1.0 <= high < 3.0


def test_united() -> None:
    """Poolings and concatenations take one range for all that they join."""
    branches = [
        [{"conv": {"out": 4}}, {"pool": {"type": "max", "kernel": 2}}],
        [{"pool": {"type": "avg", "kernel": 2}}],
    ]
    spec = {"input": [4, 8, 8], "layers": [{"parallel": {"merge": "concat", "branches": branches}}]}
    lowered = lower(fs.load(spec).graph)
    ranges = [(-float(tensor), float(tensor)) for tensor in range(len(lowered.shapes))]
    assert set(united(lowered, ranges)) == {(-4.0, 4.0)}


def test_scales_far_apart() -> None:
    """The mean of what is normalized already is nearly 0: XNNPACK refuses that scale, and other kernels take over."""
    layers = [{"conv": {"out": 8}}, {"norm": {"type": "layer"}}, {"norm": {"type": "layer"}}]
    spec = fs.load({"input": [3, 8, 8], "layers": layers, "head": {"classes": 4}})
    torch.manual_seed(0)
    net = fs.build(spec).eval()
    images = np.random.default_rng(0).standard_normal((4, 3, 8, 8)).astype(np.float32)
    answers = LiteRT(int8_tflite(engine_report(spec.graph), net, {}, images=images))(images)
    with torch.no_grad():
        want = net(torch.from_numpy(images)).numpy()
    assert np.abs(answers - want).max() < 0.1 * np.abs(want).max()


def test_zeros_in_a_kernel_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """In float and in int8, the file answers as the one in which zeros are written out around the map."""
    wide = {"expand": 24, "out": 8, "stride": 2, "act": "relu6"}
    layers = [{"conv": {"out": 8}, "repeat": 4}, {"inverted_residual": wide}]
    spec = fs.load({"input": [3, 16, 16], "layers": layers, "head": {"classes": 10}})
    torch.manual_seed(0)
    net = fs.build(spec).eval()
    images = np.random.default_rng(0).standard_normal((8, 3, 16, 16)).astype(np.float32)

    def answers() -> tuple[list[str], list[np.ndarray[Any, Any]]]:
        report = engine_report(spec.graph)
        files = [write_model(report.lowered, folded_weights(report.lowered, net), "net"), int8_tflite(report, net, {})]
        return [one.kind for one in report.lowered.operators], [LiteRT(file)(images) for file in files]

    kinds, grown = answers()
    monkeypatch.setattr("fieldspec.analysis.inference.lowering.lower._padded_at_the_peak", lambda _: set())
    plain, written_out = answers()
    assert "pad" not in kinds
    assert "pad" in plain
    assert np.allclose(grown[0], written_out[0], atol=1e-6)
    assert np.array_equal(grown[1], written_out[1])
