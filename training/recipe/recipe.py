"""Loading and validation of recipes. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel

from fieldspec.architectures.document.composer import Kind
from fieldspec.architectures.document.problems import Path, Problems, SpecError, mend
from fieldspec.architectures.document.reader import Source, read, read_data, read_file
from fieldspec.architectures.document.validation import validate
from fieldspec.architectures.document.values import listed, written
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.recipe import schedules as schedule
from fieldspec.training.recipe import transforms
from fieldspec.training.recipe.document import ONE_NAME, RecipeDocument
from fieldspec.training.recipe.optimizers import OPTIMIZERS, Optimizer, Sgd
from fieldspec.training.recipe.schedules import SCHEDULES, Schedule
from fieldspec.training.recipe.transforms import TRANSFORMS, Transform

__all__ = ["Recipe", "load_recipe", "recipe_names"]

_RECIPE = Kind("recipe", "'epochs', 'optimizer' and 'schedule'")
_FOLDER = FilePath(__file__).parents[1] / "recipes"


@dataclass(frozen=True)
class Recipe:
    """A validated recipe: how a network is trained."""

    settings: RecipeDocument
    optimizer: Optimizer
    schedule: Schedule
    augment: tuple[Transform, ...]

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data, with every default filled in, that loads to an equal recipe."""
        data: dict[str, Any] = self.settings.model_dump(by_alias=True, exclude={"description"})
        data["optimizer"] = _named(self.optimizer, OPTIMIZERS)
        data["schedule"] = _named(self.schedule, SCHEDULES)
        data["augment"] = [_named(one, TRANSFORMS) for one in self.augment]
        plain: dict[str, Any] = listed(data)
        return plain

    def override(self, *, lr: float | None = None, weight_decay: float | None = None, **settings: Any) -> Recipe:
        """A copy of the recipe with some settings replaced; None keeps a setting.

        Args:
            lr: The optimizer's learning rate.
            weight_decay: The rate of the weight decay.
            settings: Settings of the top level.

        Raises:
            SpecError: A value is invalid.
        """
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value is not None and not isfinite(value):
                raise FieldspecError(f"{name}: needs a finite number, gets {value}")
        before = self.to_dict()
        given = {key: value for key, value in settings.items() if value is not None}
        if lr is not None:
            ((name, own),) = before["optimizer"].items()
            given["optimizer"] = {name: {**own, "lr": lr}}
        if weight_decay is not None:
            given["weight_decay"] = {**before["weight_decay"], "rate": weight_decay}
        return load_recipe({**before, **given}) if given else self


def _named(one: BaseModel, kinds: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    return {next(name for name, kind in kinds.items() if type(one) is kind): one.model_dump()}


@lru_cache(maxsize=1)
def recipe_names() -> tuple[str, ...]:
    """Names of the built-in recipes, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def recipe_path(name: str) -> FilePath:
    """The file of a built-in recipe."""
    return _FOLDER / f"{name}.yaml"


def load_recipe(source: Recipe | str | os.PathLike[str] | Mapping[str, Any]) -> Recipe:
    """Load a recipe by name, from a YAML or JSON file, or from plain data.

    Raises:
        SpecError: The recipe is invalid; lists every problem, one per line.
        FieldspecError: There is no such recipe or file.
    Example:
        >>> load_recipe("fast25").settings.epochs
        25
    """
    if isinstance(source, Recipe):
        return source
    if isinstance(source, Mapping):
        return _recipe(read_data(source, kind=_RECIPE))
    if isinstance(source, str) and source in recipe_names():
        return _recipe(read_file(recipe_path(source), f"{source}.yaml", kind=_RECIPE))
    path = FilePath(source)
    if path.is_dir():
        raise FieldspecError(f"{path}: is a folder. Give a recipe file")
    if not path.exists():
        if path.suffix or os.sep in os.fspath(source):
            raise FieldspecError(f"{path}: no such file")
        known = mend(os.fspath(source), recipe_names())
        raise FieldspecError(f"{os.fspath(source)!r} is neither a built-in recipe nor a file.{known}")
    return _recipe(read_file(path, os.fspath(source), kind=_RECIPE))


def loads_recipe(text: str | bytes, *, name: str | None = None) -> Recipe:
    """Load a recipe from YAML or JSON text; `name` is used in messages instead of a file name."""
    return _recipe(read(text, name, kind=_RECIPE))


def _recipe(source: Source) -> Recipe:
    problems = Problems()
    document, found = validate(RecipeDocument, source.data, ())
    problems.extend(found)
    data = source.data
    optimizer = _one(data.get("optimizer"), OPTIMIZERS, ("optimizer",), problems)
    rate = _one(data.get("schedule"), SCHEDULES, ("schedule",), problems, schedule.SYNONYMS)
    items = data.get("augment", ())
    augment = [
        _one(item, TRANSFORMS, ("augment", number), problems, transforms.SYNONYMS)
        for number, item in enumerate(items if isinstance(items, list | tuple) else ())
    ]
    if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
        problems.add(("optimizer", "sgd", "nesterov"), "needs a momentum over 0. Set one, or remove nesterov")
    if len(problems):
        raise SpecError(map(source.place, problems.all()))
    typed: dict[str, Any] = {"optimizer": {}, "schedule": {}, "augment": ()}  # typed separately
    return Recipe(document.model_copy(update=typed), optimizer, rate, tuple(augment))


def _one(
    value: Any,
    kinds: Mapping[str, type[BaseModel]],
    path: Path,
    problems: Problems,
    synonyms: Mapping[str, str] | None = None,
) -> Any:
    """Validate an item, a mapping of one name to its settings; None if it has a problem."""
    if not isinstance(value, dict):
        if len(path) > 1:  # sections are checked with the document
            problems.add(path, f"needs {ONE_NAME} {{horizontal_flip: {{p: 0.5}}}}, gets {written(value)}")
        return None
    if len(value) != 1:
        given = ", ".join(map(repr, value)) or "nothing"
        problems.add(path, f"needs exactly one name with its settings, gets {given}. Known: {', '.join(kinds)}.")
        return None
    ((name, settings),) = value.items()
    kind = kinds.get(name)
    if kind is None:
        what = {"augment": "augmentation"}.get(str(path[0]), path[0])
        problems.add((*path, name), f"unknown {what}.{mend(name, kinds, synonyms or {})}", at_key=True)
        return None
    if settings is not None and not isinstance(settings, dict):
        problems.add((*path, name), f"needs a mapping of settings, gets {written(settings)}")
        return None
    made, found = validate(kind, settings or {}, (*path, name))
    problems.extend(found)
    return made
