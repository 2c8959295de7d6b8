"""The formats to export to, and the packages that each needs."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec

from fieldspec.blocks.errors import FieldspecError


class FileFormat(StrEnum):
    """A format to export to."""

    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    python = "python"

    @property
    def suffix(self) -> str:
        """The suffix of its files."""
        return SUFFIXES[self]

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that write and check it."""
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
    """Raise if a package is missing, before anything else is done.

    Raises:
        FieldspecError: A package is missing; says how to install it.
    """
    for package in to.packages:
        if find_spec(package) is None:
            raise FieldspecError(f"export to {to} needs {package}: pip install 'fieldspec[export]'")
