"""A run on the page: what its folder holds, and what its weights are measured to see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_runs import trains_in

from fieldspec.architectures.readings.reports import analyze
from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.facts.measured import measured_picture
from fieldspec.pages.facts.runs import is_run, read_run
from fieldspec.pages.page.page import page_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run of two epochs."""
    return trains_in(tmp_path_factory.mktemp("runs"))().folder


def test_a_run_is_read(folder: Path) -> None:
    """Its log as numbers, its curves on the page; what is not there is left out."""
    run = read_run(folder)
    assert [row["epoch"] for row in run.log] == [1.0, 2.0]
    assert (run.evaluation, run.mistakes, run.pictures, run.accuracy) == ({}, [], {}, None)
    text = page_of([Exhibit(analyze(run.info["spec"]), folder.name, run=run)])
    assert "Loss by epoch" in text
    assert "Confusion" not in text


def test_measured_beside_counted(folder: Path, tmp_path: Path) -> None:
    """A picture of both; without images there is none."""
    report = analyze(read_run(folder).info["spec"])
    with pytest.raises(FieldspecError, match="has no image files"):
        measured_picture(report, folder, tmp_path)
    with pytest.raises(FieldspecError, match="is not a folder of images"):
        measured_picture(report, folder, tmp_path / "none")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    assert measured_picture(report, folder, tmp_path).startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.csv", "epoch,lr\n1,fast\n", "is not a log of numbers"),
        ("evaluation.json", "[1]", "holds a list, where a mapping is needed"),
        ("run.json", "{}", "run.json: "),
    ],
)
def test_damaged_files(folder: Path, tmp_path: Path, name: str, content: str, said: str) -> None:
    """Each is said in one line."""
    document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "run.json").write_text(json.dumps(document), encoding="utf-8")
    assert is_run(str(tmp_path))
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(FieldspecError, match=said):
        read_run(tmp_path)
