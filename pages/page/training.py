"""The page's section on a training run: curves, confusion matrix, classes, mistakes."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from fieldspec.pages.facts.runs import SHOWN, TrainedRun
from fieldspec.pages.page import charts

MEASURES = ("loss", "accuracy")
SETS = {"train": "training", "held_out": "held out", "test": "test"}
MOST_CLASSES = 30  # maximum number of classes for a readable confusion matrix
SETTINGS = ("data", "epochs", "seed", "hardware", "date")


def training_parts(run: TrainedRun) -> dict[str, Any]:
    """The parts of the section; empty if their files are missing."""
    said = run.evaluation
    classes, confusion = said.get("classes") or [], said.get("confusion") or []
    return {
        "folder": str(run.folder),
        "settings": _settings(run),
        "command": run.info["command"],
        "curves": [(measure, chart) for measure in MEASURES if (chart := _curves(run, measure))],
        "log": run.log,
        "columns": list(dict.fromkeys(key for row in run.log for key in row)),
        "accuracy": said.get("accuracy"),
        "split": said.get("split", ""),
        "images": said.get("images"),
        "calibration": said.get("calibration_error_15_bins"),
        **_reliability(said.get("calibration_bins")),
        "classes": classes,
        "per_class": said.get("per_class_accuracy") or {},
        "confusion": _confusion(confusion) if 0 < len(classes) <= MOST_CLASSES else [],
        "mistakes": list(zip_longest(run.mistakes[:SHOWN], run.mistaken[: len(run.mistakes)])),
        "has_images": any(run.mistaken),
        "mistaken": len(run.mistakes),
        "pictures": {name: url for name, url in run.pictures.items() if name not in _shown_otherwise(run)},
    }


def _reliability(bins: Any) -> dict[str, Any]:
    """The bins of confidence and their chart; empty if the evaluation has none."""
    try:
        rows = [(int(one["images"]), float(one["confidence"]), float(one["accuracy"])) for one in bins or []]
    except (KeyError, TypeError, ValueError):
        rows = []
    chart = charts.on_any_screen(charts.reliability, rows) if sum(row[0] for row in rows) else None
    return {"bins": rows if chart else [], "reliability": chart}


def _shown_otherwise(run: TrainedRun) -> set[str]:
    """The folder's pictures, without those whose content the page shows itself."""
    shown = {"calibration.png"} if run.evaluation.get("calibration_bins") else set()
    return shown | ({"misclassified.png"} if any(run.mistaken) else set())


def _settings(run: TrainedRun) -> list[tuple[str, str]]:
    recipe = run.info["recipe"]
    known = {**run.info, "epochs": recipe.get("epochs"), "seed": recipe.get("seed")}
    return [("recipe", str(recipe.get("name")))] + [
        (key, str(known[key])) for key in SETTINGS if known.get(key) not in (None, "")
    ]


def _curves(run: TrainedRun, measure: str) -> str | None:
    """Chart one measure over the epochs, on every evaluated set."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for key, name in SETS.items():
        column = f"{key}_{measure}"
        points = [(row["epoch"], row[column]) for row in run.log if "epoch" in row and column in row]
        if len(points) > 1:
            lines[name] = points
    if not lines:
        return None
    ends = ", ".join(f"{name} {line[-1][1]:.4g}" for name, line in lines.items())
    return charts.on_any_screen(charts.curves, lines, f"{measure} by epoch; at the end {ends}")


def _confusion(counts: list[list[int]]) -> list[list[tuple[int, float, bool]]]:
    """The cells of the confusion matrix: count, share of the row, and whether the class is correct."""
    table = []
    for actual, row in enumerate(counts):
        whole = sum(row) or 1
        table.append([(count, count / whole, actual == predicted) for predicted, count in enumerate(row)])
    return table
