"""The command and its function: files, cards, checks, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import fieldspec as fs
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import app
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.file.checks import ExportError, check_bytes, check_floats
from fieldspec.export.file.exporting import export_network
from fieldspec.export.file.formats import FileFormat
from fieldspec.export.file.images import random_images
from fieldspec.export.file.sources import network_of
from fieldspec.export.litert.metadata import said_in
from fieldspec.export.litert.tflite import float_tflite, int8_tflite

SMALL = {
    "name": "small",
    "input": [3, 32, 32],
    "layers": [{"conv": {"out": 8, "stride": 2}}, {"inverted_residual": {"expand": 16, "out": 8}}],
    "head": {"classes": 10},
}


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """A small spec's file."""
    path = tmp_path / "small.json"
    path.write_text(json.dumps(SMALL))
    return str(path)


def test_int8_on_images(spec: str, tmp_path: Path) -> None:
    """Calibrated and judged by images; the card says how well, of what, and which bytes the engine takes."""
    done = export_network(network_of(spec), FileFormat.tflite_int8, tmp_path / "net.tflite", data="fake")
    card = json.loads((tmp_path / "net.tflite.json").read_text())
    assert card == done.card
    assert card["bytes"] == (tmp_path / "net.tflite").stat().st_size
    assert card["engine"]["flash"] == engine_report(fs.load(SMALL).graph).flash
    assert card["agreement"] > 0.8
    said = said_in((tmp_path / "net.tflite").read_bytes())
    assert (said["hash"], len(said["classes"])) == (fs.load(SMALL).hash, 10)
    assert said["mean"] == card["mean"]


def test_command(spec: str, tmp_path: Path) -> None:
    """A line each for the file, its check and its card."""
    path = tmp_path / "net.tflite"
    result = CliRunner().invoke(app, ["export", spec, "--to", "tflite", "-o", str(path)])
    assert result.exit_code == 0, result.output
    first, second, third = result.stdout.splitlines()
    assert first.startswith(f"{path}: small as tflite, ")
    assert second.startswith("  same outputs as PyTorch, to ")
    assert third == f"  card: {tmp_path / 'net.tflite.json'}"


def test_a_plan(spec: str, tmp_path: Path) -> None:
    """Written into the file, and obeyed."""
    done = export_network(network_of(spec), FileFormat.tflite_int8, tmp_path / "net.tflite", planned=True)
    engine = done.card["engine"]
    assert engine["plan_in_file"]
    assert engine["arena_head"] in (None, engine["sram"]["planned"])


def test_refusals(spec: str, tmp_path: Path) -> None:
    """What exists is kept; a float file has no plan; what the engine cannot run is named."""
    (tmp_path / "net.tflite.json").write_text("{}")
    with pytest.raises(FieldspecError, match=r"net\.tflite\.json: already exists; use --force"):
        export_network(network_of(spec), FileFormat.tflite, tmp_path / "net.tflite")
    (tmp_path / "net.safetensors").write_text("a checkpoint, as build writes it")
    words = (
        r"net\.safetensors: already exists, and the weights of net\.py go there; give another name with --output, or"
    )
    with pytest.raises(FieldspecError, match=words):
        export_network(network_of(spec), FileFormat.python, tmp_path / "net.py")
    with pytest.raises(FieldspecError, match="only tflite-int8 files have a plan"):
        export_network(network_of(spec), FileFormat.tflite, tmp_path / "other.tflite", planned=True)
    path = tmp_path / "wide.json"
    path.write_text(json.dumps({"input": [3, 8, 8], "layers": [{"resize": {"size": [12, 12]}}]}))
    with pytest.raises(FieldspecError, match=r"resize1 \(nearest resizing of this kind\)"):
        export_network(network_of(str(path)), FileFormat.tflite, tmp_path / "wide.tflite")
    assert not (tmp_path / "wide.tflite").exists()


def test_checks_can_fail(spec: str) -> None:
    """A file of other weights, and a claim of other bytes, are found out."""
    network, other = network_of(spec), network_of(spec, seed=1)
    report = engine_report(network.spec.graph)
    model = float_tflite(report, other.net, {})
    with pytest.raises(ExportError, match="the file's outputs differ from PyTorch's"):
        check_floats(LiteRT(model), network, random_images(network))
    wider: Any = json.loads(json.dumps(SMALL))
    wider["layers"][1]["inverted_residual"]["expand"] = 32
    claimed: EngineReport = engine_report(fs.load(wider).graph)
    with pytest.raises(ExportError, match="bytes of flash, but the file has"):
        check_bytes(int8_tflite(report, network.net, {}), claimed, planned=False)


@pytest.mark.parametrize("to", [FileFormat.onnx, FileFormat.onnx_int8, FileFormat.python])
def test_other_forms(spec: str, tmp_path: Path, to: FileFormat) -> None:
    """Each is checked, and has its card; a Python file has its weights beside it."""
    path = tmp_path / f"net{to.suffix}"
    done = export_network(network_of(spec), to, path, data="fake")
    assert done.card["format"] == to.value
    assert done.card["agreement"] > 0.8
    assert (tmp_path / "net.safetensors").exists() == (to is FileFormat.python)
