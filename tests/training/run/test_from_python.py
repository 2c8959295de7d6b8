"""Training called from Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_data import PLAIN, fake, tiny

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.evaluation.split_evaluation import evaluate_split
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.run.training import train


def test_from_python(tmp_path: Path) -> None:
    """Names, paths and plain data do; what cannot be meant is refused."""
    folder = str(tmp_path / "run")
    run = train(tiny().to_dict(), {**PLAIN, "epochs": 1}, "fake", folder, RunOptions(devices=1))
    assert run.folder == tmp_path / "run"
    with pytest.raises(FieldspecError, match="augment: needs host or device, gets 'gpu'"):
        RunOptions(augment="gpu")  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match="'tets' is not a part of a data set; give test, held-out or train"):
        evaluate_split(load_trained(folder), fake(), "tets")
    with pytest.raises(FieldspecError, match="fake: its images are 3x32x32, but tiny takes 3x16x16"):
        train(tiny(input=[3, 16, 16]), PLAIN, fake(), folder)
