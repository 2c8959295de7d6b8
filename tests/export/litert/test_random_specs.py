"""Specs at random, written, quantized and run: answers, operators and bytes are what was claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from draws import draws
from hypothesis import Phase, assume, given, settings
from strategies import specs
from torch import nn

import fieldspec as fs
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.analysis.inference.lowering.operators import EngineError
from fieldspec.analysis.inference.planning import greedy_head
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.engines.tflm import measured_arena
from fieldspec.export.litert.metadata import flash_in, with_metadata
from fieldspec.export.litert.model_file import unpack, write_model
from fieldspec.export.litert.quantization import quantize
from fieldspec.export.litert.ranges import assumed_ranges
from fieldspec.training.quantization.folding import folded_weights

pytest.importorskip("tflite_micro", reason="there is no wheel of tflite-micro for this platform")


def trained_at_random(spec: Any) -> nn.Module:
    """The network of a spec, with statistics and scales in its norms that no folding leaves unseen."""
    torch.manual_seed(0)
    net = fs.build(spec).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            with torch.no_grad():
                module.running_mean.uniform_(-1, 1)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(-1, 2)
                module.bias.uniform_(-1, 1)
    return net


def on_the_engine(document: dict[str, Any]) -> EngineReport | None:
    """None where the engine cannot run it."""
    try:
        return engine_report(fs.load(document).graph)
    except EngineError:
        return None


@given(specs())
@settings(
    draws(200),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a network would run the engine for many minutes
)
def test_claims(document: dict[str, Any]) -> None:
    """PyTorch's answers to 1e-4; as many operators; flash and the arena's head, greedy and planned, to the byte."""
    report = on_the_engine(document)
    assume(report is not None)
    assert report is not None
    lowered, net = report.lowered, trained_at_random(document)
    order = report.plan.order
    model = write_model(lowered, folded_weights(lowered, net), report.name, order)
    images = np.random.default_rng(0).standard_normal((1, *fs.load(document).input)).astype(np.float32)
    with torch.no_grad():
        want = net(torch.from_numpy(images)).numpy()
    got = LiteRT(model)(images).reshape(want.shape)
    assert np.abs(got - want).max() <= 1e-4 * max(1, np.abs(want).max())
    small = quantize(model, assumed_ranges(lowered))
    assert len(unpack(small).subgraphs[0].operators) == len(lowered.operators)
    assert flash_in(small) == report.flash
    assert measured_arena(small).head == greedy_head(lowered, order)
    assert measured_arena(with_metadata(small, {}, lowered, report.plan)).head == report.plan.size
