"""The content of a file in each format, and its check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.export.engines.arrays import Answers, Pixels
from fieldspec.export.engines.litert import LiteRT
from fieldspec.export.engines.onnx_runtime import OnnxRuntime
from fieldspec.export.file.checks import check_bytes, check_floats, check_plain
from fieldspec.export.file.formats import FileFormat
from fieldspec.export.file.images import calibration_images, random_images
from fieldspec.export.litert.tflite import float_tflite, int8_tflite
from fieldspec.export.onnx.onnx_file import float_onnx, int8_onnx
from fieldspec.export.plain.source_text import source_text
from fieldspec.training.evaluation.trained_networks import TrainedNetwork
from fieldspec.training.quantization.record import Int8Record
from fieldspec.training.quantization.simulation import Int8Simulation


@dataclass(frozen=True, slots=True)
class Made:
    """A file before it is written: its bytes, a function that runs it, the results of its checks, its simulation."""

    content: bytes
    run: Callable[[Pixels], Answers]
    checked: dict[str, Any] = field(default_factory=dict)
    simulation: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class ExportTask:
    """What to export.

    Args:
        network: The network, in eval mode.
        said: The metadata for the file.
        data: The data to calibrate int8 with.
        planned: Whether to write a memory plan into the file.
    """

    network: TrainedNetwork
    said: dict[str, Any]
    data: str | None
    planned: bool

    @property
    def images(self) -> Pixels | None:
        """The calibration images, if there is data."""
        return None if self.data is None else calibration_images(self.network, self.data)


def tflite(task: ExportTask) -> Made:
    """Make a .tflite file in float32, checked against PyTorch."""
    network = task.network
    content = float_tflite(engine_report(network.spec.graph), network.net, task.said)
    return _compared(content, LiteRT(content), network)


def tflite_int8(task: ExportTask) -> Made:
    """Make a .tflite file in int8, its memory checked against the report."""
    network, report = task.network, engine_report(task.network.spec.graph)
    learned = network.card.get("int8")
    record = None if learned is None else Int8Record.of(learned, report.lowered)
    images = task.images if record is None else None
    content = int8_tflite(report, network.net, task.said, images=images, record=record, planned=task.planned)
    found = check_bytes(content, report, planned=task.planned)
    ranges = "learned" if record is not None else "assumed" if images is None else "observed"
    checked = {"ranges": ranges, "engine": _engine(report, task.planned) | found}
    simulation = None if record is None else Int8Simulation(network.net, report.lowered, record)
    return Made(content, LiteRT(content), checked, simulation)


def onnx(task: ExportTask) -> Made:
    """Make an ONNX file with torch's exporter, checked against PyTorch in ONNX Runtime."""
    content = float_onnx(task.network.net, task.network.spec.input, task.said)
    return _compared(content, OnnxRuntime(content), task.network)


def onnx_int8(task: ExportTask) -> Made:
    """Make an ONNX file in int8; without images, it is calibrated on noise."""
    images = task.images
    whole = float_onnx(task.network.net, task.network.spec.input, task.said)
    content = int8_onnx(whole, random_images(task.network) if images is None else images, task.said)
    return Made(content, OnnxRuntime(content))


def python(task: ExportTask) -> Made:
    """Make a Python file that needs only torch, checked to load the state dict and to give bit-identical outputs."""
    text = source_text(task.network.net, task.network.name)
    return Made(text.encode(), check_plain(text, task.network, random_images(task.network)), {"apart": 0.0})


def _compared(content: bytes, run: Callable[[Pixels], Answers], network: TrainedNetwork) -> Made:
    return Made(content, run, {"apart": check_floats(run, network, random_images(network))})


def _engine(report: EngineReport, planned: bool) -> dict[str, Any]:
    sram = {"live": report.sram("live"), "tflm": report.head, "planned": report.plan.size}
    return {"name": report.name, "sram": sram, "plan_in_file": planned}


MAKERS: dict[FileFormat, Callable[[ExportTask], Made]] = {
    FileFormat.tflite: tflite,
    FileFormat.tflite_int8: tflite_int8,
    FileFormat.onnx: onnx,
    FileFormat.onnx_int8: onnx_int8,
    FileFormat.python: python,
}
