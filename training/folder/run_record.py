"""run.json: the record of a run, which identifies it when it is resumed."""

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

# keys that must be unchanged when a run is resumed
SAME = (
    *("hash", "teacher", "teacher_digest", "recipe", "data", "images", "digest", "full", "augment"),
    "initial_checkpoint",
)
DIGESTS = {"hash": "the spec", "digest": "images with digest", "teacher_digest": "a teacher with digest"}


def read_record(folder: Path) -> dict[str, Any]:
    """Read run.json; settings that its recipe predates get their defaults.

    Raises:
        FieldspecError: It is missing or damaged, or this version cannot read its recipe.
    """
    path = folder / RUN
    record = checked(RunDocument, read_json(path), path)
    try:
        return {**record, "recipe": load_recipe(record["recipe"]).to_dict()}
    except FieldspecError as error:
        raise FieldspecError(f"{path}: this version cannot read its recipe: {error}") from None


def fingerprint(record: dict[str, Any]) -> str:
    """A digest that identifies a run, also stored in its state. It ignores the epochs, which may be extended later."""
    recipe = {key: value for key, value in record["recipe"].items() if key != "epochs"}
    told = json.dumps([recipe if key == "recipe" else record[key] for key in SAME], sort_keys=True)
    return blake2b(told.encode(), digest_size=16).hexdigest()


def may_resume(folder: Path) -> bool:
    """Whether there is a state to resume from; False if no epoch was completely written.

    Raises:
        FieldspecError: The folder has files of a run, but not those needed to resume it.
    """
    there = [name for name in (STATE, LAST, BEST, LOG, CARD) if (folder / name).is_file()]
    if STATE in there and not (folder / RUN).is_file():
        raise FieldspecError(f"{folder}: has no {RUN}, so the run in it cannot be resumed; give another --output")
    if STATE not in there and (LOG in there or CARD in there):  # weights alone are fine: killed during its first writes
        raise FieldspecError(f"{folder}: has {there[0]} but no {STATE} to resume from; give another --output")
    return STATE in there


def prepare(
    folder: Path, info: dict[str, Any], *, state: SavedState | None, resume: bool, lock: RunLock | None
) -> dict[str, Any]:
    """Create the folder, or check that it contains the run to resume; returns the content of run.json.

    Args:
        folder: The run folder.
        info: The new content of run.json.
        state: The state to resume from, if any.
        resume: Whether an existing run may be continued.
        lock: The lock, for the process that writes files; None for the others.

    Raises:
        FieldspecError: The folder contains another run, or cannot be created.
    """
    if state is not None:
        info = _continued(folder, info, state)
    elif not resume and lock is not None and any((folder / name).exists() for name in (RUN, STATE, LAST, LOG)):
        raise FieldspecError(f"{folder}: already contains a run; continue it with --resume, or give another --output")
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
    if state.epochs >= ended < wanted:  # extended after its end: the schedule continues as in a longer run
        info = {**info, "extended_after": [*before["extended_after"], ended]}
        before = {**before, "recipe": {**before["recipe"], "epochs": wanted}}
    else:
        info = {**info, "extended_after": before["extended_after"]}
    for key in SAME:
        if before[key] != info[key]:
            difference = _difference(key, before[key], info[key])
            raise FieldspecError(f"{folder}: {difference}, so it cannot be resumed")
    if state.run != fingerprint(info):
        raise FieldspecError(f"{folder / STATE}: belongs to a different run than the {RUN} beside it")
    info = {**info, "command": before["command"], "date": before["date"]}  # from its start
    if state.epochs >= wanted:  # nothing left to compute
        return info | {key: before[key] for key in ("processes", "precision", "hardware", "versions")}
    info |= {key: _then(before[key], info[key]) for key in ("hardware", "precision")}
    versions = {name: _then(before["versions"].get(name, now), now) for name, now in info["versions"].items()}
    return {**info, "versions": versions}


def _then(before: str, now: str) -> str:
    """Append what a run is computed on now to what it was computed on before.

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
    return f"was started with {DIGESTS.get(key, key)} {short[0]!r}, not {short[1]!r}"
