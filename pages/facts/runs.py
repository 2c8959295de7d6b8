"""A training run, read from its folder: log, evaluation, mistakes, card."""

from __future__ import annotations

import base64
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.facts.pictures import data_url
from fieldspec.training.folder.documents import RunDocument, checked
from fieldspec.training.folder.files import CARD, LOG, RUN, read_json

EVALUATION, MISTAKES = "evaluation.json", "mistakes.json"
PICTURES = ("misclassified.png", "calibration.png", "samples.png")
LARGEST = 4_000_000  # maximum bytes of a picture in a page
LARGEST_THUMBNAIL = 60_000  # maximum characters of a mistake's image
SHOWN = 24  # maximum number of mistakes


@dataclass(frozen=True)
class TrainedRun:
    """The content of a run folder; missing parts are empty."""

    folder: Path
    info: dict[str, Any]  # run.json
    log: list[dict[str, float]]  # one row per epoch
    evaluation: dict[str, Any]
    mistakes: list[dict[str, Any]]
    card: dict[str, Any]
    pictures: dict[str, str]  # data URLs
    mistaken: list[str | None]  # data URLs of the first mistakes

    @property
    def accuracy(self) -> float | None:
        """Accuracy on the test images."""
        value = self.card.get("test_accuracy")
        return float(value) if isinstance(value, int | float) else None


def is_run(source: str) -> bool:
    """Whether a text is the path of a run folder."""
    return (Path(source) / RUN).is_file()


def read_run(folder: Path) -> TrainedRun:
    """Read a run from its folder.

    Raises:
        FieldspecError: A file in it is damaged.
    """
    info = checked(RunDocument, read_json(folder / RUN), folder / RUN)
    wrong = _optional(folder / MISTAKES)
    mistakes, images = wrong.get("mistakes", []), wrong.get("pictures", [])
    return TrainedRun(
        folder,
        info,
        _log(folder / LOG),
        _optional(folder / EVALUATION),
        mistakes if isinstance(mistakes, list) else [],
        _optional(folder / CARD),
        {name: url for name in PICTURES if (url := _picture(folder / name))},
        [_thumbnail(one) for one in images[:SHOWN]] if isinstance(images, list) else [],
    )


def _optional(path: Path) -> dict[str, Any]:
    """Read an optional file."""
    data = read_json(path) if path.is_file() else {}
    if not isinstance(data, dict):
        raise FieldspecError(f"{path}: contains a {type(data).__name__}, but needs a mapping")
    return data


def _log(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    try:
        return [{key: float(value) for key, value in row.items() if value} for row in rows]
    except (TypeError, ValueError):
        raise FieldspecError(f"{path}: is not a numeric log") from None


def _picture(path: Path) -> str | None:
    """A PNG file as a data URL; empty if it is not a PNG or too large."""
    if not path.is_file() or path.stat().st_size > LARGEST:
        return None
    return _png(path.read_bytes())


def _thumbnail(text: Any) -> str | None:
    """A base64 image as a data URL; empty if it is not a PNG or too large."""
    try:
        return _png(base64.b64decode(text, validate=True)) if len(text) <= LARGEST_THUMBNAIL else None
    except (TypeError, ValueError):
        return None


def _png(content: bytes) -> str | None:
    return data_url(content, "png") if content.startswith(b"\x89PNG") else None
