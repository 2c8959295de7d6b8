"""The examples that use an exported file without fieldspec."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fieldspec.export.file.exporting import export_network
from fieldspec.export.file.formats import FileFormat
from fieldspec.export.file.running import FOLDER
from fieldspec.export.file.sources import network_of

EXAMPLES = Path(__file__).parents[3] / "examples"


def answer_of(example: str, file: Path) -> str:
    """What an example prints of the sailboat, where fieldspec cannot be imported."""
    blocked = (
        f"import runpy, sys; sys.modules['fieldspec'] = None; sys.argv = sys.argv[1:]; runpy.run_path({example!r})"
    )
    command = [sys.executable, "-c", blocked, example, str(file), str(EXAMPLES / "sailboat.png")]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=EXAMPLES).stdout


@pytest.mark.parametrize(
    ("example", "form"),
    [
        ("run_tflite.py", FileFormat.tflite),
        ("run_onnx.py", FileFormat.onnx),
        ("run_python.py", FileFormat.python),
    ],
)
def test_a_file_and_its_card_are_enough(example: str, form: FileFormat, tmp_path: Path) -> None:
    """Each form of a trained network knows a ship."""
    file = tmp_path / f"net{form.suffix}"
    export_network(network_of("c1c2c3c40", pretrained=True), form, file)
    assert answer_of(example, file) == "ship\n"


def test_an_int8_file() -> None:
    """By its scale and zero point."""
    assert answer_of("run_tflite.py", FOLDER / "c1c2c3c40.int8.tflite") == "ship\n"
