"""Export to inference engines: file formats, checks of the files, and timing on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.export.engines.litert import LiteRT
    from fieldspec.export.engines.tflm import Arena, measured_arena
    from fieldspec.export.file.exporting import Exported, export_network
    from fieldspec.export.file.formats import FileFormat
    from fieldspec.export.litert.patches import PatchedModel
    from fieldspec.export.litert.tflite import float_tflite, int8_tflite

_HOME = {
    "Arena": "engines.tflm",
    "Exported": "file.exporting",
    "FileFormat": "file.formats",
    "LiteRT": "engines.litert",
    "PatchedModel": "litert.patches",
    "export_network": "file.exporting",
    "float_tflite": "litert.tflite",
    "int8_tflite": "litert.tflite",
    "measured_arena": "engines.tflm",
}

__all__ = [
    "Arena",
    "Exported",
    "FileFormat",
    "LiteRT",
    "PatchedModel",
    "export_network",
    "float_tflite",
    "int8_tflite",
    "measured_arena",
]

__getattr__ = lazily(__name__, _HOME)
