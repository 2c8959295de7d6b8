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
from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.evaluation import Evaluation
from fieldspec.training.evaluation.evaluation_files import report


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
    network = analyze(read_run(folder).info["spec"])
    with pytest.raises(FieldspecError, match="has no image files"):
        measured_picture(network, folder, tmp_path)
    with pytest.raises(FieldspecError, match="is not a folder of images"):
        measured_picture(network, folder, tmp_path / "none")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    assert measured_picture(network, folder, tmp_path).startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("log.csv", "epoch,lr\n1,fast\n", "is not a numeric log"),
        ("evaluation.json", "[1]", "contains a list, but needs a mapping"),
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


def test_calibration_and_mistakes(folder: Path, tmp_path: Path) -> None:
    """A chart of the bins, and each mistake with its image and both classes; the grid of the folder is not repeated."""
    for name in ("run.json", "log.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    classes = ("cat", "dog", "ship")
    labels = np.array([0, 1, 2, 0, 1, 2])
    chances = np.full((6, 3), 0.1, np.float32)
    chances[np.arange(6), [0, 1, 2, 1, 1, 0]] = 0.8
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    images = Images(pixels, labels, classes, tuple(f"test/{number}.png" for number in range(6)))
    report(tmp_path, Evaluation(classes, labels, chances, chances, 1.0), images, about={}, pictures=True)
    run = read_run(tmp_path)
    assert set(run.pictures) == {"misclassified.png", "calibration.png"}
    assert [url is not None and url.startswith("data:image/png;base64,") for url in run.mistaken] == [True, True]
    text = page_of([Exhibit(analyze(run.info["spec"]), "net", run=run)])
    assert 'aria-label="Accuracy by confidence in 15 bins of 6 images' in text
    assert '<td class="n">80.0 %</td><td class="n">66.7 %</td>' in text
    for number, actual, predicted in ((3, "cat", "dog"), (5, "ship", "cat")):
        assert f"<b>{actual}</b><span>predicted {predicted}, 80.0&nbsp;%</span>" in text
        assert f"test/{number}.png" in text
    assert 'alt="misclassified.png"' not in text
    assert 'alt="calibration.png"' not in text


def test_an_older_evaluation_is_shown_as_before(folder: Path, tmp_path: Path) -> None:
    """Without bins and images there are the pictures of the folder, and the mistakes in a table."""
    for name in ("run.json", "log.csv"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    wrong = [{"number": 3, "actual": "cat", "predicted": "dog", "confidence": 0.8}]
    (tmp_path / "mistakes.json").write_text(json.dumps({"schema": 1, "mistakes": wrong}), encoding="utf-8")
    said = {"accuracy": 0.9, "images": 10, "split": "test", "calibration_error_15_bins": 0.1}
    (tmp_path / "evaluation.json").write_text(json.dumps(said), encoding="utf-8")
    Image.new("RGB", (8, 8)).save(tmp_path / "calibration.png")
    text = page_of([Exhibit(analyze(read_run(folder).info["spec"]), "net", run=read_run(tmp_path))])
    assert '<th scope="col">Predicted</th>' in text
    assert 'alt="calibration.png"' in text
    assert "<h3>Calibration</h3>" not in text
