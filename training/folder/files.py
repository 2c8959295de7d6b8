"""Atomic file writes: the old file stays in place until the new one is complete."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError

RUN, STATE, LOG, CARD = "run.json", "state.safetensors", "log.csv", "card.json"  # files of a run folder
LAST, BEST = "last.safetensors", "best.safetensors"


def write(path: Path, content: bytes | str) -> None:
    """Write a file atomically, through a temporary file beside it.

    Raises:
        FieldspecError: It cannot be written (no space, no permission); an existing file is unchanged.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
        part.replace(path)
    except OSError as error:
        raise FieldspecError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON."""
    write(path, json.dumps(data, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write rows as CSV; the header is `columns`, then all other keys. Missing values are left empty."""
    text = io.StringIO()
    keys = dict.fromkeys([*columns, *(key for row in rows for key in row)])
    writer = csv.DictWriter(text, list(keys), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FieldspecError: There is no such file, or it is not JSON.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FieldspecError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FieldspecError(f"{path}: is not valid JSON: {error}") from None
    return data


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed process left behind."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)
