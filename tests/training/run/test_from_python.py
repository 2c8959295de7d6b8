"""Training called from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"head": {"classes": 0}}, r"tiny: head has classes: 0, so it ends in \d+ features without a classifier. Use"),
        ({"head": None, "layers": [{"strided": {"out": 10}}]}, "has no head and ends in 10 maps, as many as fake has"),
        (
            {"head": None, "layers": [{"strided": {"out": 4}}, {"flatten": {}}, {"linear": {"out": 10}}]},
            r"ends in 10 features, as many as fake has classes. Use head: \{classes: 10\}; it replaces a last layer",
        ),
    ],
)
def test_no_classifier_is_put_behind_one(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    """What ends in as many maps or values as there are classes is asked for its head, before there is a folder."""
    document = {key: value for key, value in {**tiny().to_dict(), **changes}.items() if value is not None}
    with pytest.raises(FieldspecError, match=reason):
        train(document, PLAIN, fake(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
