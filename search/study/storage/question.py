"""What a study asks, by which it is known again: of another question it is another study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection

from fieldspec.blocks.errors import FieldspecError

QUESTION = "question"  # where it is kept, among what Optuna calls a study's user attributes
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
    """Everything that decides which networks are trained, and how."""

    name: str  # of the study
    spec: Mapping[str, Any]
    recipe: Mapping[str, Any]
    data: Mapping[str, Any]  # name and digest
    minimize: tuple[str, ...]  # costs
    maximize: tuple[str, ...]
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        told = {key: getattr(self, key) for key in WORDS}
        plain: dict[str, Any] = json.loads(json.dumps({"schema": 1, **told}))
        return plain

    @property
    def epochs(self) -> int:
        """Of each trial."""
        return int(self.recipe["epochs"])

    @staticmethod
    def of(name: str, data: Mapping[str, Any]) -> StudyQuestion:
        """From plain data."""
        lists = {key: tuple(data[key]) for key in ("minimize", "maximize")}
        return StudyQuestion(name, data["spec"], data["recipe"], data["data"], **lists, seed=data["seed"])


def join(storage: BaseStorage, question: StudyQuestion, where: str) -> int:
    """The number of the study of that name, made where there is none.

    Raises:
        FieldspecError: It asks something else.
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
            raise FieldspecError(f"{where}: study {question.name!r} is of {words}. {mend}")
    return study


def find(storage: BaseStorage, name: str | None, spec: Mapping[str, Any], where: str) -> tuple[int, StudyQuestion]:
    """A study that is there: by its name, or the only one of a spec.

    Raises:
        FieldspecError: There is none, or there are several.
    """
    plain = json.loads(json.dumps(spec))
    known = {one.study_name: one for one in storage.get_all_studies() if QUESTION in one.user_attrs}
    fits = [one for one in known if (one == name if name else known[one].user_attrs[QUESTION]["spec"] == plain)]
    if not fits:
        there = f"; there are {', '.join(map(repr, known))}" if known else ""
        raise FieldspecError(f"{where}: holds no study {f'{name!r}' if name else 'of this spec'}{there}")
    if len(fits) > 1:
        raise FieldspecError(f"{where}: holds {len(fits)} studies of this spec. Choose with --study {fits[0]}")
    question = StudyQuestion.of(fits[0], known[fits[0]].user_attrs[QUESTION])
    return storage.get_study_id_from_name(fits[0]), question
