"""Information about a run when it starts: the content of run.json, and the first lines of output."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.statistics import Statistics
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.loop.machine import hardware, versions
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import Recipe


def information(
    spec: ArchitectureSpec,
    recipe: Recipe,
    data: Data,
    stats: Statistics,
    trained_on: int,
    options: RunOptions,
    trainer: Trainer,
    teacher: Teacher | None,
    command: str,
) -> dict[str, Any]:
    """Make the content of run.json: everything that determines the result, and the machine."""
    return {
        "schema": 1,
        "name": spec.name,
        "hash": spec.hash,
        "spec": spec.to_dict(),
        "recipe": recipe.to_dict(),
        "seed": recipe.settings.seed,
        "data": data.name,
        "data_source": data.source,
        "images": trained_on,
        "digest": data.train.digest,
        "classes": list(data.train.classes),
        "mean": list(stats.mean),
        "std": list(stats.std),
        "full": options.full,
        "augment": options.augment,
        "initial_checkpoint": options.initial_checkpoint,
        "teacher": list(options.teachers) or None,
        "teacher_digest": teacher.digest if teacher is not None else None,
        "extended_after": [],  # epochs after which the run ended before it was extended
        "processes": trainer.world_size,
        "precision": "bfloat16" if "bf16" in str(trainer.precision) else "float32",
        "command": command,
        "hardware": hardware(trainer.strategy.root_device, trainer.world_size),
        "versions": versions(),
        "date": datetime.fromtimestamp(time.time(), UTC).date().isoformat(),
    }


def first_lines(
    info: dict[str, Any],
    data: Data,
    stats: Statistics,
    training: Images,
    validated: dict[str, Images],
    folder: Path,
    teacher: Teacher | None,
) -> list[str]:
    """The lines printed before the first epoch."""
    lines = [summary(data, stats, training, validated)]
    own = (info["spec"].get("head") or {}).get("classes")
    if own and own != len(data.train.classes):
        lines.append(f"{info['name']} gets {len(data.train.classes)} classes, as {data.name} has, instead of {own}")
    if not info["full"] and "held_out" not in validated:
        lines.append("too few images per class to hold out a tenth; only the last weights are kept")
    if not info["full"] and teacher is not None and teacher.has_seen_held_out:
        lines.append("the teacher was trained on the held-out images, so accuracy on them may be too high")
    recipe, machine = info["recipe"]["name"], f"{info['hardware']}, {info['precision']}"
    return [*lines, f"{info['name']} with {recipe} on {machine}; files in {folder}"]


def summary(data: Data, stats: Statistics, training: Images, validated: dict[str, Images]) -> str:
    """Summarize the data in a few lines."""
    height, width, channels = stats.shape
    parts = [f"{data.name}: {len(training):,} training images"]
    if "held_out" in validated:
        parts.append(f"{len(validated['held_out']):,} held out")
    if data.test is not None:
        parts.append(f"{len(data.test):,} test images")
    least, most = training.class_counts.min(), training.class_counts.max()
    many = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    numbers = [" ".join(f"{value:.4f}" for value in values) for values in (stats.mean, stats.std)]
    lines = [
        f"{', '.join(parts)}; {channels}x{height}x{width}, {len(training.classes)} classes of {many}",
        f"mean {numbers[0]}, standard deviation {numbers[1]}",
    ]
    if data.left_out:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(data.left_out.items()))
        lines.append(f"skipped: {kinds}; fieldspec reads {', '.join(IMG_EXTENSIONS)}")
    return "\n".join([*lines, *data.remarks])
