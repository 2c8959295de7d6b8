"""A .tflite file asked by `predict` and `evaluate`; a stranger's file is one clear line."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import runner

from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.file.exporting import export_network
from fieldspec.export.file.formats import FileFormat
from fieldspec.export.file.images import random_images
from fieldspec.export.file.running import FOLDER, load_tflite
from fieldspec.export.file.sources import network_of

SAILBOAT = Path(__file__).parents[3] / "examples" / "sailboat.png"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float file of trained weights."""
    path = tmp_path_factory.mktemp("files") / "net.tflite"
    export_network(network_of("c1c2c3c40", pretrained=True), FileFormat.tflite, path)
    return path


def test_answers(file: Path) -> None:
    """Those of the interpreter, with classes and normalization from the file alone."""
    network = load_tflite(file)
    images = random_images(network)
    assert network.classes[8] == "ship"
    assert network.mean == network_of("c1c2c3c40", pretrained=True).mean
    answers = network.net(torch.from_numpy(images)).numpy()
    assert np.array_equal(answers, LiteRT(file.read_bytes())(images))


def test_commands(file: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`predict` names a photograph as the weights do; images of other classes and damaged files end with status 2."""
    run, cut = runner(monkeypatch, capfd), file.with_suffix(".cut.tflite")
    status, named, said = run("predict", str(file), str(SAILBOAT))
    assert status == 0, said
    assert named == run("predict", "c1c2c3c40", str(SAILBOAT), "--pretrained")[1]
    status, _, said = run("evaluate", str(file), "--data", "fake")
    assert status == 2  # other classes
    assert "the network was trained on other classes" in said
    cut.write_bytes(file.read_bytes()[:9999])
    status, _, said = run("predict", str(cut), str(SAILBOAT))
    assert status == 2
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("damage", ["truncated", "altered", "foreign", "empty", "text"])
def test_hostile_files(file: Path, tmp_path: Path, damage: str) -> None:
    """An error in one line, whatever the interpreter makes of it."""
    whole = file.read_bytes()
    altered = bytearray(whole)
    for at in range(64, 60_000, 97):
        altered[at] ^= 0x5A
    contents = {
        "truncated": whole[: len(whole) // 3],
        "altered": bytes(altered),
        "foreign": whole.replace(b"fieldspec", b"somebody "),
        "empty": b"",
        "text": b"TFL3" * 1000,
    }
    path = tmp_path / "hostile.tflite"
    path.write_bytes(contents[damage])
    with pytest.raises(FieldspecError) as caught:
        load_tflite(path).net(torch.zeros(1, 3, 32, 32))
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ")


def test_what_is_no_file_or_no_tflite(tmp_path: Path) -> None:
    """A folder and a pipe are not opened; of a gigabyte of zeros no more than the first bytes are read."""
    os.mkfifo(tmp_path / "pipe.tflite")
    for path in (tmp_path, tmp_path / "pipe.tflite"):
        with pytest.raises(FieldspecError, match="is not a regular file"):
            load_tflite(path)
    large = tmp_path / "large.tflite"
    with large.open("wb") as sparse:
        sparse.truncate(1 << 30)
    with pytest.raises(FieldspecError, match="its bytes 4 to 7 are not TFL3"):
        load_tflite(large)
    large.write_bytes((FOLDER / "c1c2c3c40.int8.tflite").read_bytes()[:9999])
    with pytest.raises(FieldspecError, match="it is damaged or truncated: parts of it lie beyond its end"):
        load_tflite(large)


def test_the_worker_needs_no_torch() -> None:
    """A second process with torch in it would cost seconds and hundreds of megabytes."""
    needs = "import fieldspec.export.engines.litert, fieldspec.export.litert.metadata"
    command = [sys.executable, "-c", f"import sys; {needs}; sys.exit('torch' in sys.modules)"]
    assert subprocess.run(command, check=False).returncode == 0


def test_random_damage(file: Path, tmp_path: Path) -> None:
    """Bytes changed at random: an answer, or an error of fieldspec's own."""
    whole, chance = file.read_bytes(), np.random.default_rng(0)
    for _ in range(6):
        altered = bytearray(whole)
        for at in chance.integers(0, len(whole), 400):
            altered[at] = int(chance.integers(256))
        path = tmp_path / "altered.tflite"
        path.write_bytes(bytes(altered))
        with suppress(FieldspecError):  # and no other: the command prints these as a line
            network = load_tflite(path)
            network.net(torch.zeros(1, 3, 32, 32))
