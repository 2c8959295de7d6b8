"""The simulated network and the exported file say the same; ranges and factors travel as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import fieldspec as fs
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.litert.model_file import tensor_names, unpack
from fieldspec.export.litert.tflite import int8_tflite
from fieldspec.training.quantization.correction import corrected_biases
from fieldspec.training.quantization.folding import OperatorWeights, folded_weights
from fieldspec.training.quantization.operators import activated, computed
from fieldspec.training.quantization.record import Int8Record
from fieldspec.training.quantization.simulation import Int8Simulation, rounded_to, rounded_weights, running

POOL = {"max_pool": {"kernel": 3, "stride": 1, "padding": 1}}
CASES: dict[str, list[dict[str, Any]]] = {
    "convolutions": [{"conv": {"out": 8, "act": "relu6"}}, {"inverted_residual": {"expand": 16, "out": 8}}, POOL],
    "own": [{"conv": {"out": 8, "act": "leaky_relu"}}, {"conv": {"out": 8, "act": "prelu", "stride": 2}}, POOL],
    "fixed": [{"conv": {"out": 8, "act": "tanh"}}, {"squeeze_excite": {}}, {"conv": {"out": 8, "act": "softmax"}}],
    "composed": [{"conv": {"out": 8, "act": "gelu"}}, {"conv": {"out": 8, "act": "elu"}}, {"act": {"type": "mish"}}],
    "by tanh": [{"conv": {"out": 8, "act": "gelu_tanh"}}, {"act": {"type": "gelu_tanh"}}],
    "measured": [{"norm": {"type": "layer"}}, {"conv": {"out": 8, "norm": {"group": 2}, "act": "hardtanh"}}],
    "moved": [
        {"conv": {"out": 16}},
        {"depth_to_space": {"block": 2}},
        {"shuffle": {"groups": 2}},
        {"resize": {"scale": 2, "mode": "bilinear"}},
        {"conv_transpose": {"out": 6}},
        {"pad": {"channels": 2}},
        {"slice": {"start": 1, "stop": 7}},
        {"conv": {"out": 4, "order": ["conv", "act", "norm"]}},
    ],
}


def case(layers: list[dict[str, Any]]) -> tuple[EngineReport, nn.Module, torch.Tensor]:
    """A network of these layers on the engine, and noise."""
    spec = fs.load({"input": [3, 8, 10], "layers": layers, "head": {"classes": 5}})
    torch.manual_seed(0)
    return engine_report(spec.graph), fs.build(spec).eval(), torch.randn(8, *spec.input)


def operator_by_operator(report: EngineReport, net: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the operators compute in float."""
    lowered = report.lowered
    weights = folded_weights(lowered, net, torch.float32)
    tensors = {0: images.reshape(len(images), *lowered.shapes[0])}
    for index, operator in running(lowered, tensors):
        inputs = [tensors[tensor] for tensor in operator.inputs]
        tensors[operator.output] = activated(operator, computed(operator, lowered, inputs, weights.get(index)))
        assert tensors[operator.output].shape[1:] == lowered.shapes[operator.output]
    return tensors[lowered.outputs[0]].flatten(1)


@pytest.mark.parametrize("name", CASES)
def test_the_file_says_what_was_simulated(name: str) -> None:
    """The operators are the network in float; in int8 file and simulation are at most two steps apart."""
    report, net, images = case(CASES[name])
    with torch.no_grad():
        assert torch.allclose(operator_by_operator(report, net, images), net(images), atol=1e-4)
        simulation = Int8Simulation.calibrated(net, report.lowered, images)
        simulated = simulation(images).numpy()
    record = Int8Record.of(simulation.record().to_dict(), report.lowered)
    engine = LiteRT(int8_tflite(report, net, {}, record=record), exact=True)
    step = engine.outputs[0]["quantization"][0]
    assert np.abs(engine(images.numpy()).reshape(simulated.shape) - simulated).max() <= 2.01 * step
    assert np.abs(simulated - net(images).detach().numpy()).max() < 0.2 * np.abs(simulated).max()


def test_biases_are_rounded_as_in_the_file() -> None:
    """To whole numbers of the step of an input times that of a channel's weights; gradients pass through."""
    report, _, _ = case(CASES["convolutions"])
    torch.manual_seed(0)
    own = OperatorWeights(torch.randn(8, 3, 3, 3), torch.randn(8, requires_grad=True))
    bias = rounded_weights(report.lowered.operators[0], own, torch.tensor(0.05)).bias
    shares = bias.detach() / (0.05 * own.weight.abs().amax((1, 2, 3)) / 127)
    assert torch.allclose(shares, shares.round(), atol=1e-2)
    assert 0 < (bias - own.bias).abs().max() < 0.001
    (gradient,) = torch.autograd.grad(bias.sum(), own.bias)
    assert gradient.tolist() == [1] * 8


def test_gradients_reach_weights_and_scales() -> None:
    """Every parameter of the network, norms among them, and the scale of every tensor that has one of its own."""
    report, net, images = case(CASES["convolutions"])
    simulation = Int8Simulation.calibrated(net, report.lowered, images)
    simulation(images).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())
    gradient = simulation.log_scales.grad
    assert gradient is not None
    own = sorted(set(simulation.groups) - set(simulation.fixed))
    assert all(gradient[group] != 0 for group in own)
    assert {name for name, _ in simulation.named_parameters()} == {"log_scales"}  # the network's stay its own


def test_ranges_are_in_the_file_as_they_were_learned() -> None:
    """Scale and zero point of each tensor, changed since the calibration."""
    report, net, images = case(CASES["convolutions"])
    simulation = Int8Simulation.calibrated(net, report.lowered, images)
    with torch.no_grad():
        simulation.log_scales.add_(0.1)
    record = simulation.record()
    tensors = {
        one.name.decode(): one for one in unpack(int8_tflite(report, net, {}, record=record)).subgraphs[0].tensors
    }
    for name, (low, high) in zip(tensor_names(report.lowered), record.ranges, strict=True):
        scale = (high - low) / 255
        assert tensors[name].quantization.scale[0] == pytest.approx(scale, rel=1e-5)
        assert tensors[name].quantization.zeroPoint[0] == round(-128 - low / scale)


def test_bias_correction() -> None:
    """The mean of the answers in int8 is nearer to that in float."""
    report, net, images = case(CASES["convolutions"])
    lowered = report.lowered
    record = Int8Simulation.calibrated(net, lowered, images).record()
    with torch.no_grad():
        weights = folded_weights(lowered, net, torch.float32)
        coarse = [(4 * low, 4 * high) for low, high in record.ranges]  # 6 bits are left
        apart = []
        for used in (weights, corrected_biases(lowered, weights, coarse, images)):
            tensors = {0: rounded_to(images, coarse[0])}
            for index, operator in running(lowered, tensors):
                own = rounded_weights(operator, used[index]) if index in used else None
                inputs = [tensors[tensor] for tensor in operator.inputs]
                found = activated(operator, computed(operator, lowered, inputs, own))
                tensors[operator.output] = rounded_to(found, coarse[operator.output])
            apart.append((tensors[lowered.outputs[0]] - net(images)).mean(0).abs().mean())
    assert apart[1] < apart[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ranges": []}, "does not match the operators of this version"),
        ({"ranges": "none"}, "is damaged"),
        ({"exponents": {"999": [0]}}, "is damaged"),
        ({"exponents": {"0": [0]}}, "does not match the operators of this version"),
    ],
)
def test_a_record_that_cannot_be_used(change: dict[str, Any], message: str) -> None:
    """What a card says is checked before it is believed."""
    report, net, images = case(CASES["convolutions"])
    said = Int8Simulation.calibrated(net, report.lowered, images).record().to_dict()
    with pytest.raises(FieldspecError, match=message):
        Int8Record.of({**said, **change}, report.lowered)
