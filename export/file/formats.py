"""The forms of a file, and what each needs."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec

from fieldspec.blocks.errors import FieldspecError


class FileFormat(StrEnum):
    """What a network is exported to."""

    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    python = "python"

    @property
    def suffix(self) -> str:
        """Of its files."""
        return SUFFIXES[self]

    @property
    def packages(self) -> tuple[str, ...]:
        """What writes and checks it."""
        return PACKAGES[self]


SUFFIXES = {
    FileFormat.tflite: ".tflite",
    FileFormat.tflite_int8: ".int8.tflite",
    FileFormat.onnx: ".onnx",
    FileFormat.onnx_int8: ".int8.onnx",
    FileFormat.python: ".py",
}
LITERT, ONNX = ("ai_edge_litert", "flatbuffers"), ("onnx", "onnxscript", "onnxruntime")
PACKAGES = {
    FileFormat.tflite: LITERT,
    FileFormat.tflite_int8: (*LITERT, "ai_edge_quantizer"),
    FileFormat.onnx: ONNX,
    FileFormat.onnx_int8: ONNX,
    FileFormat.python: (),
}


def need_packages(to: FileFormat) -> None:
    """Raise where a package is missing, before anything is begun.

    Raises:
        FieldspecError: Names the package and how to get it.
    """
    for package in to.packages:
        if find_spec(package) is None:
            raise FieldspecError(f"export to {to} needs {package}: pip install 'fieldspec[export]'")
