"""CUDA graphs: on a GPU the passes are those of the network; elsewhere, that recording leaves it as it was."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from training_data import PLAIN, fake, tiny

from fieldspec.architectures.builder import build
from fieldspec.training.options import Options
from fieldspec.training.recipe import load_recipe
from fieldspec.training.replay import Replayed
from fieldspec.training.running import override_dropout, train

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="records CUDA graphs")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Recording stands in for CUDA's: it computes the network once, and notes what it is called with afterwards."""
    called: list[torch.Size] = []

    def record(net: nn.Module, sample: tuple[Tensor]) -> Any:
        net(*sample)

        def replay(x: Tensor) -> Any:
            called.append(x.shape)
            return net(x)

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return called


def test_recording_leaves_the_network_as_it_was(recorded: list[torch.Size]) -> None:
    """Batch norm has not seen the batch that is recorded; only batches of its shape are replayed."""
    net = build(tiny()).train()
    before = deepcopy(net.state_dict())
    replayed = Replayed(net, (8, 3, 32, 32), torch.channels_last)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert replayed(torch.randn(8, 3, 32, 32)).shape == replayed(torch.randn(8, 3, 32, 32)).shape == (8, 10)
    assert replayed(torch.randn(5, 3, 32, 32)).shape == (5, 10)
    assert recorded == [(8, 3, 32, 32), (8, 3, 32, 32)]


@on_gpu
def test_gradients_on_a_gpu() -> None:
    """Step by step, logits, gradients and batch norm's averages are those of the network itself."""
    torch.manual_seed(0)
    net = build(tiny()).cuda().train()
    override_dropout(net, 0.0)
    plain = deepcopy(net)
    replayed = Replayed(net, (8, 3, 32, 32), torch.contiguous_format)
    for _ in range(3):
        x = torch.randn(8, 3, 32, 32, device="cuda")
        for each in (net, plain):
            each.zero_grad()
        logits, expected = replayed(x), plain(x)
        torch.testing.assert_close(logits, expected)
        torch.autograd.backward([logits.square().sum(), expected.square().sum()])
        for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(list(net.buffers()), list(plain.buffers()))


@on_gpu
def test_a_run_on_a_gpu(tmp_path: Path) -> None:
    """A short last batch and an average of the weights go with it; what is kept is on the CPU, and learns."""
    recipe = load_recipe({**PLAIN, "epochs": 6, "ema": 0.9, "optimizer": {"muon": {"lr": 0.02}}})
    run = train(tiny(), recipe, fake(), tmp_path, Options(augment="device"), tell=lambda text: None)
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert all(tensor.device.type == "cpu" for tensor in run.net.state_dict().values())
