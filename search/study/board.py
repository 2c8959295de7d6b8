"""Reading the leaderboard of an existing study. No torch, no training."""

from __future__ import annotations

import os
from pathlib import Path

from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.methods.search import Searchable
from fieldspec.search.study.leaderboard import Leaderboard
from fieldspec.search.study.storage.question import find
from fieldspec.search.study.storage.queue import TrialQueue
from fieldspec.search.study.storage.urls import close, in_words, open_storage, storage_name


def read_leaderboard(
    spec: Searchable, folder: str | os.PathLike[str], *, storage: str | None = None, study: str | None = None
) -> Leaderboard:
    """Read the leaderboard of an existing study, without training anything.

    Args:
        spec: The study's open spec.
        folder: The folder with the study's journal, unless a storage is given.
        storage: The URL of the study's storage.
        study: The study's name; if not given, the only study of this spec is read.

    Raises:
        FieldspecError: There is no such study.
    """
    opened, folder = spec if isinstance(spec, OpenSpec) else load_open(spec), Path(folder)
    where = storage_name(storage, folder)
    if storage is None and not Path(where).is_file():
        raise FieldspecError(f"{where}: no such file; give the folder or --storage of a study")
    opened_storage = open_storage(storage, folder)
    with in_words(where):
        number, question = find(opened_storage, study, opened.to_dict(), where)
        board = Leaderboard(question, opened, tuple(TrialQueue(opened_storage, number, opened).trials()))
        close(opened_storage)
    return board
