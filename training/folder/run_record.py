"""run.json: what a run is, by which it is known again when it is resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import RUN, STATE, read_json, sweep, write_json
from fieldspec.training.recipe.recipe import load_recipe

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


def prepare(folder: Path, info: dict[str, Any], *, resume: bool, finished: bool, writes: bool) -> dict[str, Any]:
    """Make the folder, or check that it holds the run to resume; returns what run.json then says.

    Args:
        folder: Of the run.
        info: What run.json is to say.
        resume: Whether to resume.
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
                raise FieldspecError(
                    f"{folder}: {_difference(key, before.get(key), info[key])}, so it cannot be resumed"
                )
        info = {**info, "command": before["command"], "date": before["date"]}  # of its beginning
        if finished:  # nothing is computed any more
            info |= {key: before[key] for key in ("processes", "precision", "hardware", "versions")}
        else:
            info |= {key: _then(before[key], info[key]) for key in ("hardware", "precision")}
            info["versions"] = {
                package: _then(before["versions"].get(package, now), now) for package, now in info["versions"].items()
            }
    elif path.is_file() and writes and not resume:
        raise FieldspecError(f"{folder}: already holds a run; continue it with --resume, or give another --output")
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
        raise FieldspecError(f"{path}: this version cannot read its recipe: {error}") from None


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
