"""Recurrent layers, and tensors in which sequences stand before the batch, as nn.LSTM takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from micro_networks import Net
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.architectures.readings.verification import Verification

LENGTH = 16


class Heard(nn.Module):
    """A convolution over a sequence of three channels, then whatever `then` makes of its map (1, 8, 16)."""

    def __init__(self, then: Callable[[Heard, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 8, 3, padding=1)
        for name, part in parts.items():
            self.add_module(name, part)
        self.then = then

    def forward(self, x: Tensor) -> Any:
        """As the class says."""
        return self.then(self, self.conv(x))


def batch_first(net: Any, x: Tensor) -> Tensor:
    """All steps of the output, the batch first."""
    output: Tensor = net.layer(x.transpose(1, 2))[0]
    return output


def steps_first(net: Any, x: Tensor) -> Tensor:
    """All steps of the output, the steps first."""
    output: Tensor = net.layer(x.permute(2, 0, 1))[0]
    return output


def without_batch(net: Any, x: Tensor) -> Tensor:
    """All steps of the output, without a batch."""
    output: Tensor = net.layer(x[0].T)[0]
    return output


def refuted(verification: Verification) -> list[str]:
    """What is claimed and not so."""
    return [str(check) for check in verification.checks if check.verdict == "refuted"]


@pytest.mark.parametrize(
    ("layer", "then", "macs"),
    [
        (nn.LSTM(8, 16, batch_first=True), batch_first, 4 * 16 * (8 + 16)),
        (nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4), steps_first, 2 * 4 * 16 * (8 + 4 + 8 + 4) + 4 * 16 * 4),
        (nn.GRU(8, 16, 2, dropout=0.1, bidirectional=True), steps_first, 2 * 3 * 16 * (8 + 16 + 32 + 16)),
        (nn.RNN(8, 16, bias=False, batch_first=True), batch_first, 16 * (8 + 16)),
        (nn.RNN(8, 16, nonlinearity="relu"), without_batch, 16 * (8 + 16)),
    ],
    ids=["lstm", "projected", "gru", "rnn", "no batch"],
)
def test_layers(layer: nn.RNNBase, then: Any, macs: int) -> None:
    """Each matrix once a step; every step sees all of them, though torch's own measure is the window before that."""
    net = Heard(then, layer=layer)
    report, verification = fs.analyze(net, input_size=(3, LENGTH)), fs.verify(net, input_size=(3, LENGTH))
    at = report["layer"]
    assert sum(one.macs for one in report.layers if one.id.split(".")[0] == "layer") == LENGTH * macs
    assert sum(one.params for one in report.layers if one.id.split(".")[0] == "layer") == sum(
        p.numel() for p in layer.parameters()
    )
    assert (at.receptive_field, at.status) == ((3,), "whole_input")
    assert not refuted(verification)
    proved = {(check.what, check.layer) for check in verification.checks if check.verdict == "proved"}
    assert {(what, "layer") for what in ("macs", "shape", "receptive_field", "global context")} <= proved
    assert any(check.what == "peak bytes" and check.verdict == "proved" for check in verification.checks)


def hidden(net: Any, x: Tensor) -> Any:
    """A layer on the last state h."""
    _, state = net.layer(x.permute(2, 0, 1))
    return net.fc(state[-1])


def hidden_of_lstm(net: Any, x: Tensor) -> Any:
    """The same of an LSTM, which has a state c as well."""
    _, (state, _) = net.layer(x.permute(2, 0, 1))
    return net.fc(state[-1])


@pytest.mark.parametrize(("kind", "then"), [(nn.LSTM, hidden_of_lstm), (nn.GRU, hidden)])
def test_last_states(kind: Any, then: Any) -> None:
    """The last state of the last layer is made of the whole sequence, as a pooling over it would be."""
    net = Heard(then, layer=kind(8, 16, 2), fc=nn.Linear(16, 5))
    report = fs.analyze(net, input_size=(3, LENGTH))
    assert report.pooled is not None
    assert (report.features.id, report.pooled.receptive_field) == ("layer", (LENGTH + 2,))
    assert not refuted(fs.verify(net, input_size=(3, LENGTH)))


def late_state(net: Any, x: Tensor) -> Any:
    """The state waits while another branch runs."""
    state = net.layer(x.transpose(1, 2))[1][0]
    return net.fc(state[-1]) + net.other(net.wide(x).mean(2))


def late_state_after_output(net: Any, x: Tensor) -> Any:
    """The output is read first."""
    output, (state, _) = net.layer(x.transpose(1, 2))
    return net.fc(output[:, -1]) + net.fc(state[-1]) + net.other(net.wide(x).mean(2))


def encoder_and_decoder(net: Any, x: Tensor) -> Any:
    """The first states of one are the last of another: nothing is claimed of its field."""
    sequence = x.transpose(1, 2)
    _, states = net.layer(sequence)
    return net.second(sequence, states)[1][0][-1]


def pieces(net: Any, x: Tensor) -> Any:
    """Four sequences of four steps each: nothing is claimed of the field."""
    return net.fc(net.layer(x.transpose(1, 2).reshape(4, 4, 8))[1][0][-1])


def context(net: Any, x: Tensor) -> Any:
    """The same features at every step."""
    return net.layer(x.mean(2)[:, None].expand(-1, 7, -1))[0]


def many_alike(net: Any, x: Tensor) -> Any:
    """The same sequence in every example of a batch."""
    return net.layer(x.transpose(1, 2).expand(5, -1, -1))[0]


def started(net: Any, x: Tensor) -> Any:
    """First states that are learned belong to the module around."""
    return net.layer(x.transpose(1, 2), (net.h, net.c))[0]


@pytest.mark.parametrize(
    "then", [late_state, late_state_after_output, encoder_and_decoder, pieces, context, many_alike, started]
)
def test_ways_to_use_one(then: Any) -> None:
    """Nothing is claimed that is not so."""
    net = Heard(
        then,
        layer=nn.LSTM(8, 16, batch_first=True),
        second=nn.LSTM(8, 16, batch_first=True),
        wide=nn.Conv1d(8, 64, 3),
        other=nn.Linear(64, 5),
        fc=nn.Linear(16, 5),
    )
    net.h, net.c = nn.Parameter(torch.zeros(1, 1, 16)), nn.Parameter(torch.zeros(1, 1, 16))
    verification = fs.verify(net, input_size=(3, LENGTH))
    assert not refuted(verification)
    assert ("macs", "", "proved") in {(check.what, check.layer, check.verdict) for check in verification.checks}


class KeywordSpotter(nn.Module):
    """Frequencies and channels of each step are a recurrent layer's features, as in a CRNN."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, (5, 3), stride=(2, 1), padding=(2, 1))
        self.gru = nn.GRU(4 * 20, 32, batch_first=True)
        self.fc = nn.Linear(32, 12)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, 40, steps) -> (batch, 12)."""
        output, _ = self.gru(self.conv(x).permute(0, 3, 1, 2).flatten(2))
        logits: Tensor = self.fc(output[:, -1])
        return logits


def test_keyword_spotter() -> None:
    """The frequencies are read whole by the first products, and the steps by what follows them."""
    net = KeywordSpotter()
    report = fs.analyze(net, input_size=(1, 40, 49))
    assert report.params == sum(parameter.numel() for parameter in net.parameters())
    assert report.macs == 4 * 15 * 20 * 49 + 49 * 3 * 32 * (80 + 32) + 32 * 12
    assert (report["gru"].shape, report["gru"].receptive_field) == ((32, 1, 49), (43, 3))
    assert not refuted(fs.verify(net, input_size=(1, 40, 49)))


def test_a_first_state_of_the_map() -> None:
    """The output reads it as well; the cost is that of the layer, and of what makes the state."""

    def started(net: Any, x: Tensor) -> Any:
        return net.layer(x.transpose(1, 2), net.start(x.mean(2))[None])[0]

    net = Heard(
        started,
        layer=nn.GRU(8, 16, batch_first=True),
        start=nn.Linear(8, 16),
    )
    report = fs.analyze(net, input_size=(3, LENGTH))
    assert (report["layer"].status, report["layer"].shape) == ("whole_input", (16, LENGTH))
    assert sum(one.macs for one in report.layers if one.id.split(".")[0] == "layer") == LENGTH * 3 * 16 * (8 + 16)
    assert not refuted(fs.verify(net, input_size=(3, LENGTH)))


def test_packed_sequences() -> None:
    """Lengths that the network says are like any other; at those that are made of the input the analysis ends."""

    def packed(lengths: Callable[[Tensor], Tensor]) -> Heard:
        def run(net: Any, x: Tensor) -> Tensor:
            steps = x.transpose(1, 2)
            sequence = nn.utils.rnn.pack_padded_sequence(steps, lengths(steps), batch_first=True)
            output: Tensor = nn.utils.rnn.pad_packed_sequence(net.layer(sequence)[0], batch_first=True)[0]
            return output

        return Heard(run, layer=nn.LSTM(8, 16, batch_first=True))

    report = fs.analyze(packed(lambda steps: torch.tensor([steps.shape[1]])), input_size=(3, LENGTH))
    assert (report.output.status, report.output.shape) == ("whole_input", (16, LENGTH))
    assert report.macs == LENGTH * (3 * 8 * 3 + 4 * 16 * (8 + 16))
    ended = fs.analyze(packed(lambda steps: (steps > 0).all(2).sum(1)), input_size=(3, LENGTH))
    assert ended.stop is not None
    assert ended.stop.operation.operation in ("item", "tolist")


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_the_first_trained_layer(kind: Any) -> None:
    """Its output reads its weights, whoever reads its last states: what autograd keeps is not known, and not 0."""
    layer = kind(3, 16, batch_first=True)
    net = Net(lambda n, x: n.layer(x.transpose(1, 2))[0], layer=layer)
    report = fs.analyze(net, input_size=(3, LENGTH))
    assert report.memory().saved is None
    assert report["layer"].params == sum([parameter.numel() for parameter in layer.parameters()])
    assert not refuted(fs.verify(net, input_size=(3, LENGTH)))


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell])
def test_cells(kind: Any) -> None:
    """One step is ordinary operations; the first state's zeros are multiplied, too, by whoever runs it."""

    def step(net: Any, x: Tensor) -> Any:
        state = net.layer(x.mean(2))
        return state[0] if isinstance(state, tuple) else state

    net = Heard(step, layer=kind(8, 16))
    gates = 4 if kind is nn.LSTMCell else 3
    report = fs.analyze(net, input_size=(3, LENGTH))
    assert report.macs == 3 * 3 * 8 * LENGTH + gates * 16 * (8 + 16)
    assert not refuted(fs.verify(net, input_size=(3, LENGTH)))


def test_products_of_weights() -> None:
    """A kernel that is made of two factors in the forward pass costs their product, once."""

    class Factored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Parameter(torch.randn(8, 64)), nn.Parameter(torch.randn(64, 3))

        def forward(self, x: Tensor) -> Tensor:
            kernel = (self.left @ self.right)[:, :, None, None]
            return nn.functional.conv2d(x, kernel) + nn.functional.conv2d(x, kernel)

    report = fs.analyze(Factored(), input_size=(3, 4, 4))
    assert report.macs == 8 * 64 * 3 + 2 * 8 * 3 * 16
    assert not refuted(fs.verify(Factored(), input_size=(3, 4, 4)))


def test_a_kernel_that_is_handed_down() -> None:
    """Its product and its weights are those of the module that has them; a part written in place is no other case."""

    class Child(nn.Module):
        def forward(self, x: Tensor, kernel: Tensor) -> Tensor:
            return nn.functional.conv2d(x, kernel)

    class Parent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right = nn.Parameter(torch.randn(8, 4)), nn.Parameter(torch.randn(4, 3))
            self.last = nn.Parameter(torch.randn(8, 1))
            self.first, self.second = Child(), Child()

        def forward(self, x: Tensor) -> Tensor:
            kernel = self.left.new_zeros(8, 4, 1, 1)
            kernel[:, :3, 0, 0] = self.left @ self.right
            kernel[:, 3:, 0, 0] = self.last
            output: Tensor = self.first(x, kernel) + self.second(x, kernel)
            return output

    report = fs.analyze(Parent(), input_size=(4, 4, 4))
    assert (report.macs, report.params) == (8 * 4 * 3 + 2 * 8 * 4 * 16, 8 * 4 + 4 * 3 + 8)
    assert not refuted(fs.verify(Parent(), input_size=(4, 4, 4)))


def test_sequences_before_the_batch() -> None:
    """A map (units, batch, channels) is measured as any other."""

    def turned(net: Any, x: Tensor) -> Any:
        return net.norm(net.fc(x.permute(2, 0, 1)))

    net = Heard(turned, fc=nn.Linear(8, 10), norm=nn.LayerNorm(10))
    verification = fs.verify(net, input_size=(3, LENGTH))
    assert not refuted(verification)
    proved = {(check.what, check.layer) for check in verification.checks if check.verdict == "proved"}
    assert {("shape", "fc"), ("shape", "norm"), ("receptive_field", "norm")} <= proved
