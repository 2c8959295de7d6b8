"""The forms of a file, and what each needs."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec

from fieldspec.blocks.errors import FieldspecError


class FileFormat(StrEnum):
    """What a network is exported to."""

    tflite = "tflite"
    tflite_int8 = "tflite-int8"

    @property
    def suffix(self) -> str:
        """Of its files."""
        return {"tflite": ".tflite", "tflite-int8": ".int8.tflite"}[self.value]

    @property
    def packages(self) -> tuple[str, ...]:
        """What writes and checks it."""
        both = ("ai_edge_litert", "flatbuffers")
        return (*both, "ai_edge_quantizer") if self is FileFormat.tflite_int8 else both


def need_packages(to: FileFormat) -> None:
    """Raise where a package is missing, before anything is begun.

    Raises:
        FieldspecError: Names the package and how to get it.
    """
    for package in to.packages:
        if find_spec(package) is None:
            raise FieldspecError(f"export to {to} needs {package}: pip install 'fieldspec[export]'")
