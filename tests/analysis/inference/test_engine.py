"""The report of an engine, as text and as data."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.blocks.errors import FieldspecError


def test_text() -> None:
    """Totals with their meaning, then a row an operator with the peak marked."""
    text = engine_report(fs.load("c1c2c3c40_plus").graph).to_text()
    assert "tflm         327,680  the head of the arena" in text
    assert "planned      294,912  with a plan of order and offsets in the file" in text
    assert "15 norms are operators of their own" in text
    (peak, *_) = [line for line in text.splitlines() if line.endswith("# peak")]
    assert "294,912" in peak


def test_data() -> None:
    """Every operator with its bytes; the live peak is the largest of them."""
    report = engine_report(fs.load("c1c2c3c40").graph)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["sram"] == {
        "live": 360_448, "ordered": 360_448, "tflm": 360_448, "planned": 360_448, "patched": 52_576
    }  # fmt: skip
    assert data["patches"] == {"up_to": "inverted_residual2", "grid": [8, 8], "macs": 88_439_752}
    assert max(row["live"] for row in data["operators"]) == data["sram"]["live"]
    assert data["peak"] == "inverted_residual1.body.expand.norm"
    tensors = len(data["operators"]) + 1
    assert sum(row["flash"] for row in data["operators"]) + 12 * tensors == data["flash"]


def test_unknown_engine() -> None:
    """The known ones are named."""
    with pytest.raises(FieldspecError, match="unknown engine 'tvm'; known: tflm"):
        engine_report(fs.load("c1c2c3c40").graph, "tvm")


def test_the_command_needs_no_torch() -> None:
    """`analyze --engine tflm` loads neither torch nor what writes files."""
    code = (
        "import sys; sys.argv = ['fieldspec', 'analyze', 'c1c2c3c40', '--engine', 'tflm', '--json']\n"
        "from fieldspec.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'ai_edge_litert', 'flatbuffers'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert json.loads(done.stdout)["engine"]["sram"]["tflm"] == 360_448
