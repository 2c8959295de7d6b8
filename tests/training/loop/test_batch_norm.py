"""Batch norm's statistics after short epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training_data import PLAIN, fake, silent, tiny

from fieldspec.training.data.normalization import Normalize
from fieldspec.training.loop import batch_norm
from fieldspec.training.loop.batch_norm import measure_statistics
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.run import Run
from fieldspec.training.run.training import train


def batch_norms(net: nn.Module) -> list[nn.BatchNorm2d]:
    """In their order."""
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def test_measured_by_hand() -> None:
    """Mean and variance of all that goes in, with dropout off; mode, momentum and weights stay as they were."""
    norm = nn.BatchNorm2d(3, momentum=0.25)
    net = nn.Sequential(nn.Dropout(0.5), norm).train()
    frozen = norm.weight.detach().clone()
    x = torch.randn(40, 3, 4, 4) * 3 + 1
    measure_statistics(net, [x[:20], x[20:]])
    halves = torch.stack([half.var((0, 2, 3)) for half in (x[:20], x[20:])])
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, halves.mean(0))
    assert net[0].training
    assert norm.training
    assert norm.momentum == 0.25
    assert torch.equal(norm.weight, frozen)


def test_a_network_without_batch_norm() -> None:
    """It is not run at all."""
    net = nn.Linear(2, 2).train()
    measure_statistics(net, iter([torch.zeros(1, 7)]))  # of a size that it does not take
    assert net.training


def distance(run: Run) -> float:
    """How far the first batch norm's mean is from that of the training images, in deviations."""
    seen: list[Tensor] = []
    norm = batch_norms(run.net)[0]
    handle = norm.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    prepare = Normalize(tuple(run.info["mean"]), tuple(run.info["std"])).of_bytes
    with torch.no_grad():
        run.net.eval()(prepare(torch.from_numpy(fake().train.pixels)))
    handle.remove()
    assert norm.running_mean is not None
    return float(((norm.running_mean - seen[0].mean((0, 2, 3))).abs() / seen[0].std((0, 2, 3))).max())


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_short_run_is_judged_by_its_own_statistics(ema: float, tmp_path: Path) -> None:
    """One epoch of 9 steps leaves 0.9^9 = 39 % of the beginning in a moving mean; measured ones have none of it."""
    recipe = load_recipe({**PLAIN, "epochs": 1, "batch_size": 64, "ema": ema})
    run = train(tiny(), recipe, fake(), tmp_path, tell=silent)
    assert distance(run) < 0.02


def test_a_long_epoch_keeps_the_moving_statistics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """72 steps are enough; the same run without the rule ends with the same tensors."""
    recipe = load_recipe({**PLAIN, "epochs": 1, "batch_size": 8})
    one = train(tiny(), recipe, fake(), tmp_path / "rule", tell=silent).net.state_dict()
    monkeypatch.setattr(batch_norm, "READY", 0)
    other = train(tiny(), recipe, fake(), tmp_path / "none", tell=silent).net.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_weights_are_those_of_a_run_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training normalizes by the batches, so that only buffers differ."""
    recipe = load_recipe({**PLAIN, "epochs": 2})
    one = train(tiny(), recipe, fake(), tmp_path / "rule", tell=silent)
    monkeypatch.setattr(batch_norm, "READY", 0)
    other = train(tiny(), recipe, fake(), tmp_path / "none", tell=silent)
    for (name, left), right in zip(one.net.named_parameters(), other.net.parameters(), strict=True):
        assert torch.equal(left, right), name
    norms = [batch_norms(run.net)[0].running_mean for run in (one, other)]
    assert not np.allclose(*norms)  # type: ignore[arg-type]
