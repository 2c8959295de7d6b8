"""Files that are written whole or not at all: what stood there before stays until the new one is complete."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError

RUN, STATE, LOG, CARD = "run.json", "state.safetensors", "log.csv", "card.json"  # what lies in a run's folder
LAST, BEST = "last.safetensors", "best.safetensors"


def write(path: Path, content: bytes | str) -> None:
    """Write a file by way of a temporary one beside it.

    Raises:
        FieldspecError: No space, no permission; the file is as it was.
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
    """Write rows as CSV with a header of these columns and all their keys; what a row lacks is left empty."""
    text = io.StringIO()
    keys = dict.fromkeys([*columns, *(key for row in rows for key in row)])
    writer = csv.DictWriter(text, list(keys), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write(path, text.getvalue())


def read_json(path: Path) -> Any:
    """Read plain data, of whatever type it is.

    Raises:
        FieldspecError: No such file, or not JSON.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FieldspecError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise FieldspecError(f"{path}: is not valid JSON: {error}") from None
    return data


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for part in folder.glob("*.part"):
        part.unlink(missing_ok=True)
