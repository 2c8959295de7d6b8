"""CUDA graphs: on a GPU the passes are those of the network; elsewhere, that capturing leaves it as it was."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn
from training_data import PLAIN, fake, tiny

from fieldspec.architectures.network.builder import build
from fieldspec.training.data.batches import Batch
from fieldspec.training.loop import assembly
from fieldspec.training.loop.assembly import _graph_shape, override_dropout
from fieldspec.training.loop.cuda_graphs import Graphed
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import CHECK_EVERY, Task
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.recipe.transforms import TRANSFORMS
from fieldspec.training.run.training import train

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="captures CUDA graphs")


@pytest.fixture
def captured(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Stands in for CUDA's capturing: computes the network once, and notes what it is called with afterwards."""
    called: list[torch.Size] = []

    def capture(net: nn.Module, sample: tuple[Tensor], *, allow_unused_input: bool) -> Any:
        net(*sample)

        def replay(x: Tensor) -> Any:
            called.append(x.shape)
            return net(x)

        return replay

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", capture)
    return called


def test_capturing_leaves_the_network_as_it_was(captured: list[torch.Size]) -> None:
    """Batch norm has not seen the batch that is captured; only batches of its shape are graphed."""
    net = build(tiny()).train()
    before = deepcopy(net.state_dict())
    graphed = Graphed(net, (8, 3, 32, 32), torch.channels_last)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert graphed(torch.randn(8, 3, 32, 32)).shape == graphed(torch.randn(8, 3, 32, 32)).shape == (8, 10)
    assert graphed(torch.randn(5, 3, 32, 32)).shape == (5, 10)
    assert captured == [(8, 3, 32, 32), (8, 3, 32, 32)]


def test_a_run_uses_them(captured: list[torch.Size], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every whole batch is replayed, the short last one is not, and the run is what it would have been."""
    recipe = load_recipe({**PLAIN, "epochs": 1})
    plain = train(tiny(), recipe, fake(), tmp_path / "plain", tell=lambda text: None)
    monkeypatch.setattr(assembly, "_graph_shape", lambda trainer, options, batch: batch)
    graphed = train(tiny(), recipe, fake(), tmp_path / "graphed", tell=lambda text: None)
    expected = plain.net.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in graphed.net.state_dict().items())
    images, batch = plain.info["images"], recipe.settings.batch_size
    assert images % batch
    assert captured == [(batch, 3, 32, 32)] * (images // batch)


def test_where_they_are_used() -> None:
    """By a process that has a GPU alone, unless torch.compile is asked for."""
    batch = (8, 3, 32, 32)
    gpu: Any = SimpleNamespace(strategy=SingleDeviceStrategy(torch.device("cuda:0")))
    cpu: Any = SimpleNamespace(strategy=SingleDeviceStrategy(torch.device("cpu")))
    several: Any = SimpleNamespace(strategy=DDPStrategy(parallel_devices=[torch.device("cuda:0")]))
    assert _graph_shape(gpu, RunOptions(), batch) == batch
    assert _graph_shape(gpu, RunOptions(compile=True), batch) is None
    assert _graph_shape(cpu, RunOptions(), batch) is None
    assert _graph_shape(several, RunOptions(), batch) is None


@on_gpu
@pytest.mark.filterwarnings("ignore:The AccumulateGrad node", "ignore:Attempting to run cuBLAS")
def test_gradients_on_a_gpu() -> None:
    """Step by step, logits, gradients and batch norm's averages are those of the network itself."""
    torch.manual_seed(0)
    net = build(tiny()).cuda().train()
    override_dropout(net, 0.0)
    plain = deepcopy(net)
    graphed = Graphed(net, (8, 3, 32, 32), torch.contiguous_format)
    for _ in range(3):
        x = torch.randn(8, 3, 32, 32, device="cuda")
        for each in (net, plain):
            each.zero_grad()
        logits, expected = graphed(x), plain(x)
        torch.testing.assert_close(logits, expected)
        torch.autograd.backward([logits.square().sum(), expected.square().sum()])
        for ours, theirs in zip(net.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(list(net.buffers()), list(plain.buffers()))


@on_gpu
def test_a_run_on_a_gpu(tmp_path: Path) -> None:
    """A short last batch and an average of the weights go with it; what is kept is on the CPU, and learns."""
    recipe = load_recipe({**PLAIN, "epochs": 6, "ema": 0.9, "optimizer": {"muon": {"lr": 0.02}}})
    run = train(tiny(), recipe, fake(), tmp_path, RunOptions(augment="device"), tell=lambda text: None)
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert all(tensor.device.type == "cpu" for tensor in run.net.state_dict().values())


@on_gpu
def test_steps_do_not_wait_for_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a step asks for, but for its first and each fiftieth, stands in the way of launching the next."""
    step, finished = Task.training_step, Task.on_train_batch_end

    def watched(self: Task, batch: Batch, batch_idx: int) -> Tensor:
        torch.cuda.set_sync_debug_mode("error" if batch_idx % CHECK_EVERY else "default")
        return step(self, batch, batch_idx)

    def unwatched(self: Task, outputs: Any, batch: Batch, batch_idx: int) -> None:
        finished(self, outputs, batch, batch_idx)
        torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Task, "training_step", watched)
    monkeypatch.setattr(Task, "on_train_batch_end", unwatched)
    transforms: list[Any] = [{name: {}} for name in TRANSFORMS]
    recipe = load_recipe(
        {**PLAIN, "augment": transforms, "mixup": 0.2, "ema": 0.9, "optimizer": {"muon": {"lr": 0.02}}}
    )
    try:
        run = train(tiny(), recipe, fake(), tmp_path, RunOptions(augment="device"), tell=lambda text: None)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(run.history) == recipe.settings.epochs
