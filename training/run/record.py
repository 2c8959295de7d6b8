"""What a run is, in words and as data: run.json, by which it is known again when it is resumed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from torchvision.datasets.folder import IMG_EXTENSIONS

from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.datasets import Data
from fieldspec.training.data.images import Images, Statistics
from fieldspec.training.evaluation.files import RUN, STATE, read_json, sweep, write_json
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.recipe.recipe import Recipe, load_recipe
from fieldspec.training.run.machine import hardware, versions
from fieldspec.training.run.options import RunOptions

# what a run cannot be resumed without
SAME = (
    "hash",
    "teacher",
    "teacher_digest",
    "recipe",
    "data",
    "images",
    "digest",
    "full",
    "augment",
    "initial_checkpoint",
)
DIGESTS = {"hash": "the spec", "digest": "images of digest", "teacher_digest": "a teacher of digest"}


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
    """What run.json says: everything that decides the result, and what it was computed on."""
    return {
        "schema": 1,
        "name": spec.name,
        "hash": spec.hash,
        "spec": spec.to_dict(),
        "recipe": recipe.to_dict(),
        "seed": recipe.settings.seed,
        "data": data.name,
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
        "processes": trainer.world_size,
        "precision": "bfloat16" if "bf16" in str(trainer.precision) else "float32",
        "command": command,
        "hardware": hardware(trainer.strategy.root_device, trainer.world_size),
        "versions": versions(),
        "date": datetime.fromtimestamp(time.time(), UTC).date().isoformat(),
    }


def prepare(folder: Path, info: dict[str, Any], *, resume: bool, finished: bool, writes: bool) -> dict[str, Any]:
    """Make the folder, or see that what lies there is the run to go on with; returns what run.json says then.

    Args:
        folder: Of the run.
        info: What run.json is to say.
        resume: Whether to go on.
        finished: Whether no epoch is left.
        writes: Whether this process writes files.

    Raises:
        FieldspecError: Another run lies there, or the folder cannot be made.
    """
    path = folder / RUN
    if path.is_file() and resume and (folder / STATE).is_file():
        before = read_json(path)
        before["recipe"] = _completed(path, before.get("recipe"))
        for key in SAME:
            if before.get(key) != info[key]:
                raise FieldspecError(f"{folder}: {_difference(key, before.get(key), info[key])}, so it cannot go on")
        info = {**info, "command": before["command"], "date": before["date"]}  # of its beginning
        if finished:  # nothing is computed any more
            info |= {key: before[key] for key in ("processes", "precision", "hardware", "versions")}
        else:
            info |= {key: _then(before[key], info[key]) for key in ("hardware", "precision")}
            info["versions"] = {
                package: _then(before["versions"].get(package, now), now) for package, now in info["versions"].items()
            }
    elif path.is_file() and writes and not resume:
        raise FieldspecError(f"{folder}: holds a run already; continue it with --resume, or give another --output")
    if not writes:
        return info
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep(folder)
    except OSError as error:
        raise FieldspecError(f"{folder}: {error.strerror or error}") from None
    write_json(path, info)
    return info


def _completed(path: Path, recipe: Any) -> Any:
    """A recipe of before, with the settings that there were not then."""
    try:
        return load_recipe(recipe).to_dict() if isinstance(recipe, dict) else recipe
    except FieldspecError as error:
        raise FieldspecError(f"{path}: its recipe is none of today's: {error}") from None


def _then(before: str, now: str) -> str:
    """What a run was computed on in the end, after what it was computed on first.

    Example:
        >>> _then("GPU", "CPU"), _then("GPU, then CPU", "CPU")
        ('GPU, then CPU', 'GPU, then CPU')
    """
    return before if before.split(", then ")[-1] == now else f"{before}, then {now}"


def _difference(key: str, before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(name for name in {**before, **now} if before.get(name) != now.get(name))
        before, now = before.get(key), now.get(key)
    short = [str(value)[:12] if key in DIGESTS else value for value in (before, now)]
    return f"was begun with {DIGESTS.get(key, key)} {short[0]!r}, not {short[1]!r}"


def summary(data: Data, stats: Statistics, trained_on: int, validated: dict[str, Images]) -> str:
    """The data in a line or two."""
    height, width, channels = stats.shape
    parts = [f"{data.name}: {trained_on:,} images to train on"]
    if "held_out" in validated:
        parts.append(f"{len(validated['held_out']):,} held out")
    if data.test is not None:
        parts.append(f"{len(data.test):,} to test with")
    least, most = min(stats.per_class.values()), max(stats.per_class.values())
    many = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    numbers = [" ".join(f"{value:.4f}" for value in values) for values in (stats.mean, stats.std)]
    lines = [
        f"{', '.join(parts)}; {channels}x{height}x{width}, {len(stats.per_class)} classes of {many}",
        f"mean {numbers[0]}, standard deviation {numbers[1]}",
    ]
    if data.left_out:
        lines.append(f"left out: files that end in none of {', '.join(IMG_EXTENSIONS)}: {data.left_out:,}")
    return "\n".join(lines)
