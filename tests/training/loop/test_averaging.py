"""Stochastic weight averaging."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn
from training_data import PLAIN, assert_same_tensors, fake, quick, silent, stopped_in_the_second_epoch, tiny

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.statistics import statistics
from fieldspec.training.folder.files import LAST
from fieldspec.training.loop.averaging import EpochMean
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.epoch_files import EpochFiles
from fieldspec.training.run.training import train


@pytest.fixture(scope="module")
def data() -> Data:
    """Made-up images."""
    return fake()


def with_epochs(data: Data, folder: Path, **settings: Any) -> tuple[Any, list[dict[str, Tensor]]]:
    """A run, and the weights that each of its epochs ended with."""
    ends: list[dict[str, Tensor]] = []
    written = EpochFiles.on_train_epoch_end

    def kept(files: EpochFiles, trainer: Any, task: Any) -> None:
        written(files, trainer, task)
        ends.append({name: one.detach().clone() for name, one in task.latest.named_parameters()})

    with patch.object(EpochFiles, "on_train_epoch_end", kept):
        run = train(tiny(), load_recipe({**PLAIN, **settings}), data, folder, tell=silent)
    return run, ends


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_mean(data: Data, tmp_path: Path, ema: float) -> None:
    """Of the epochs from the share on; the training itself goes on as without."""
    run, ends = with_epochs(data, tmp_path / "mean", epochs=4, ema=ema, swa={"start": 0.25})
    _, alone = with_epochs(data, tmp_path / "alone", epochs=4, ema=ema)
    assert len(ends) == len(alone) == 4
    for name, parameter in run.net.named_parameters():
        torch.testing.assert_close(parameter.detach(), torch.stack([end[name] for end in ends[1:]]).mean(0))
        assert not torch.equal(ends[2][name], ends[3][name])
        assert torch.equal(ends[3][name], alone[3][name])


def test_statistics_are_those_of_the_mean(data: Data, tmp_path: Path) -> None:
    """Batch norm's are of the averaged network's own activations, over the images without augmentation."""
    run, _ = with_epochs(data, tmp_path / "run", epochs=3, swa={"start": 0})
    seen: list[Tensor] = []
    conv, norm = (next(m for m in run.net.modules() if isinstance(m, kind)) for kind in (nn.Conv2d, nn.BatchNorm2d))
    conv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    stats = statistics(data.train)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (stats.mean, stats.std))
    images = torch.from_numpy(data.train.pixels).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        run.net.eval()((images - mean) / std)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, seen[0].mean((0, 2, 3)), rtol=0.1, atol=0.02)  # a tenth is held out
    torch.testing.assert_close(norm.running_var, seen[0].var((0, 2, 3)), rtol=0.1, atol=0.02)


def test_judged_from_the_share_on(data: Data, tmp_path: Path) -> None:
    """The held-out figure of an epoch is of the mean, as soon as there is one."""
    run, _ = with_epochs(data, tmp_path / "mean", epochs=4, swa={"start": 0.5})
    alone, _ = with_epochs(data, tmp_path / "alone", epochs=4)
    losses, plain = ([row["held_out_loss"] for row in one.history] for one in (run, alone))
    assert losses[:2] == plain[:2]
    assert losses[3] != plain[3]


def test_resumed(data: Data, tmp_path: Path) -> None:
    """To the same tensors."""
    recipe, options = quick(swa={"start": 0}), RunOptions()
    train(tiny(), recipe, data, tmp_path / "whole", options, tell=silent)
    with pytest.raises(FieldspecError, match="in the second epoch"):
        train(tiny(), recipe, data, tmp_path / "broken", options, tell=stopped_in_the_second_epoch)
    train(tiny(), recipe, data, tmp_path / "broken", replace(options, resume=True), tell=silent)
    assert_same_tensors(tmp_path / "whole" / LAST, tmp_path / "broken" / LAST)


def test_batches_are_alike(data: Data) -> None:
    """No batch of one image, which batch norm cannot normalize."""
    images = data.train.select(data.train.labels.argsort()[:501])
    mean = EpochMean(nn.BatchNorm2d(3), quick(swa={}), images)
    batches: list[Tensor] = []

    def prepare(pixels: Tensor) -> Tensor:
        batches.append(pixels.permute(0, 3, 1, 2) / 255)
        return batches[-1]

    mean.take(nn.BatchNorm2d(3), 3, prepare)
    assert [len(batch) for batch in batches] == [251, 250]


@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.1, 30, 3), (0.75, 4, 3), (0.7, 10, 7), (0.99, 5, 4), (0, 3, 0)]
)
def test_first_epoch(start: float, epochs: int, first: int, data: Data) -> None:
    """The share of the run that is over when it begins; at least the last one counts."""
    net = nn.Linear(2, 2)
    mean = EpochMean(net, quick(epochs=epochs, swa={"start": start}), data.train)
    counted: list[int] = []
    for epoch in range(epochs):
        mean.take(net, epoch, lambda pixels: pixels)
        counted.append(int(mean.n_averaged))
    assert counted == [max(0, epoch + 1 - first) for epoch in range(epochs)]


def test_errors() -> None:
    """A share of the run."""
    with pytest.raises(FieldspecError, match=r"swa\.start: .*a share of the run, from 0 to 1, 1 excluded"):
        quick(swa={"start": 1})
