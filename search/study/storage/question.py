"""The question of a study: the settings that identify it; a study with other settings is another study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from fieldspec.blocks.errors import FieldspecError

QUESTION = "question"  # its key in the study's user attributes
WORDS = {
    "spec": "another spec",
    "recipe": "another recipe",
    "data": "other images",
    "minimize": "other objectives",
    "maximize": "other objectives",
    "seed": "another seed",
}


@dataclass(frozen=True)
class StudyQuestion:
    """All settings that determine which networks are trained, and how."""

    name: str  # the study's name
    spec: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]  # name and digest
    minimize: tuple[str, ...]  # costs
    maximize: tuple[str, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data."""
        told = {key: getattr(self, key) for key in WORDS}
        plain: dict[str, Any] = json.loads(json.dumps({"schema": 1, **told}))
        return plain

    @property
    def epochs(self) -> int:
        """Epochs of each trial."""
        return int(self.recipe["epochs"])

    @staticmethod
    def of(name: str, data: Mapping[str, Any]) -> StudyQuestion:
        """Convert from plain data."""
        lists = {key: tuple(data[key]) for key in ("minimize", "maximize")}
        return StudyQuestion(name, data["spec"], data["recipe"], data["data"], **lists, seed=data["seed"])


def join(storage: BaseStorage, question: StudyQuestion, where: str) -> int:
    """Join the study of this name, created if there is none; returns its number in the storage.

    Raises:
        FieldspecError: The study has other settings.
    """
    directions = [StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE for _ in question.minimize]]
    try:
        study = storage.create_new_study(directions, question.name)
    except DuplicatedStudyError:
        study = storage.get_study_id_from_name(question.name)
    before = storage.get_study_user_attrs(study).get(QUESTION)
    if before is None:
        storage.set_study_user_attr(study, QUESTION, question.to_dict())
        return study
    now = question.to_dict()
    for key, words in WORDS.items():
        if not isinstance(before, dict) or before.get(key) != now[key]:
            mend = "Give another name with --study, or another --storage or --output"
            raise FieldspecError(f"{where}: study {question.name!r} has {words}. {mend}")
    return study


def find(storage: BaseStorage, name: str | None, spec: Mapping[str, Any], where: str) -> tuple[int, StudyQuestion]:
    """Find a study by its name, or the only study of a spec.

    Raises:
        FieldspecError: There is no such study, or there are several.
    """
    plain = json.loads(json.dumps(spec))
    known = {one.study_name: one for one in storage.get_all_studies() if QUESTION in one.user_attrs}
    fits = [one for one in known if (one == name if name else known[one].user_attrs[QUESTION]["spec"] == plain)]
    if not fits:
        there = f"; it contains {', '.join(map(repr, known))}" if known else ""
        raise FieldspecError(f"{where}: contains no study {f'{name!r}' if name else 'of this spec'}{there}")
    if len(fits) > 1:
        raise FieldspecError(f"{where}: contains {len(fits)} studies of this spec. Choose one with --study {fits[0]}")
    question = StudyQuestion.of(fits[0], known[fits[0]].user_attrs[QUESTION])
    return storage.get_study_id_from_name(fits[0]), question
