"""run.json: what a run is, by which it is known again when it is resumed."""

from __future__ import annotations

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.documents import RunDocument, checked
from fieldspec.training.folder.files import BEST, CARD, LAST, LOG, RUN, STATE, read_json, sweep, write_json
from fieldspec.training.folder.lock import RunLock
from fieldspec.training.folder.state import SavedState
from fieldspec.training.recipe.recipe import load_recipe

# what has to be the same when a run is resumed
SAME = (
    *("hash", "teacher", "teacher_digest", "recipe", "data", "images", "digest", "full", "augment"),
    "initial_checkpoint",
)
DIGESTS = {"hash": "the spec", "digest": "images of digest", "teacher_digest": "a teacher of digest"}


def read_record(folder: Path) -> dict[str, Any]:
    """What run.json says, its recipe with the settings that have come since.

    Raises:
        FieldspecError: It is missing, damaged, or its recipe is one that this version cannot read.
    """
    path = folder / RUN
    record = checked(RunDocument, read_json(path), path)
    try:
        return {**record, "recipe": load_recipe(record["recipe"]).to_dict()}
    except FieldspecError as error:
        raise FieldspecError(f"{path}: this version cannot read its recipe: {error}") from None


def fingerprint(record: dict[str, Any]) -> str:
    """What tells a run from all others, in its state as well; a run may be given more epochs later."""
    recipe = {key: value for key, value in record["recipe"].items() if key != "epochs"}
    told = json.dumps([recipe if key == "recipe" else record[key] for key in SAME], sort_keys=True)
    return blake2b(told.encode(), digest_size=16).hexdigest()


def may_resume(folder: Path) -> bool:
    """Whether there is a state to resume from; False where no epoch was finished, or its files only in part.

    Raises:
        FieldspecError: Some of a run's files are there, and what it takes to resume it is not.
    """
    there = [name for name in (STATE, LAST, BEST, LOG, CARD) if (folder / name).is_file()]
    if STATE in there and not (folder / RUN).is_file():
        raise FieldspecError(f"{folder}: has no {RUN}, so the run in it cannot be resumed; give another --output")
    if STATE not in there and (LOG in there or CARD in there):  # weights alone: killed while it wrote its first files
        raise FieldspecError(f"{folder}: has {there[0]} but no {STATE} to resume from; give another --output")
    return STATE in there


def prepare(
    folder: Path, info: dict[str, Any], *, state: SavedState | None, resume: bool, lock: RunLock | None
) -> dict[str, Any]:
    """Make the folder, or check that it holds the run to resume; returns what run.json then says.

    Args:
        folder: Of the run.
        info: What run.json is to say.
        state: That is resumed from.
        resume: Whether a run that lies there may be continued.
        lock: Of the process that writes files; None for the others.

    Raises:
        FieldspecError: Another run lies there, or the folder cannot be made.
    """
    if state is not None:
        info = _continued(folder, info, state)
    elif not resume and lock is not None and any((folder / name).exists() for name in (RUN, STATE, LAST, LOG)):
        raise FieldspecError(f"{folder}: already holds a run; continue it with --resume, or give another --output")
    if lock is None:
        return info
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FieldspecError(f"{folder}: {error.strerror or error}") from None
    lock.take()
    sweep(folder)
    write_json(folder / RUN, info)
    return info


def _continued(folder: Path, info: dict[str, Any], state: SavedState) -> dict[str, Any]:
    before = read_record(folder)
    ended, wanted = before["recipe"]["epochs"], info["recipe"]["epochs"]
    if state.epochs >= ended < wanted:  # more epochs after the end, where the schedule is what a longer run has there
        info = {**info, "extended_after": [*before["extended_after"], ended]}
        before = {**before, "recipe": {**before["recipe"], "epochs": wanted}}
    else:
        info = {**info, "extended_after": before["extended_after"]}
    for key in SAME:
        if before[key] != info[key]:
            difference = _difference(key, before[key], info[key])
            raise FieldspecError(f"{folder}: {difference}, so it cannot be resumed")
    if state.run != fingerprint(info):
        raise FieldspecError(f"{folder / STATE}: belongs to another run than {RUN} beside it")
    info = {**info, "command": before["command"], "date": before["date"]}  # of its beginning
    if state.epochs >= wanted:  # nothing is computed any more
        return info | {key: before[key] for key in ("processes", "precision", "hardware", "versions")}
    info |= {key: _then(before[key], info[key]) for key in ("hardware", "precision")}
    versions = {name: _then(before["versions"].get(name, now), now) for name, now in info["versions"].items()}
    return {**info, "versions": versions}


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
