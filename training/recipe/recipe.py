"""A recipe: how a network is trained, as data, checked as a whole. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, Field

from fieldspec.architectures.document.composer import Kind
from fieldspec.architectures.document.problems import Path, Problems, SpecError, mend
from fieldspec.architectures.document.reader import Source, read, read_data, read_file
from fieldspec.architectures.document.validation import STRICT, Identifier, Version, listed, validate, written
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.settings import Flag, Probability, Says
from fieldspec.training.recipe import schedules as schedule
from fieldspec.training.recipe import transforms
from fieldspec.training.recipe.optimizers import OPTIMIZERS, Optimizer, Sgd, WeightDecay
from fieldspec.training.recipe.schedules import SCHEDULES, Schedule, Share
from fieldspec.training.recipe.transforms import TRANSFORMS, Transform

__all__ = ["Recipe", "load_recipe", "recipe_names"]

Precision = Annotated[Literal["auto", "bfloat16", "float32"], Says("auto, bfloat16 or float32")]
Whole = Annotated[int, Ge(1), Le(100_000), Says("a whole number from 1 to 100000")]
Positive = Annotated[float, Ge(0), Says("a number, 0 or more")]
_ONE = "a mapping of one name to its settings such as"
_RECIPE = Kind("recipe", "'epochs', 'optimizer' and 'schedule'")
_FOLDER = FilePath(__file__).parents[1] / "recipes"


class Distillation(BaseModel):
    """How much of a teacher's answers is learned, and of which answers."""

    model_config = STRICT
    weight: Annotated[float, Gt(0), Le(1), Says("a number over 0, up to 1")] = 0.9  # the labels have the rest
    temperature: Annotated[float, Gt(0), Says("a number over 0")] = 4.0  # by which both networks' logits are divided
    flip_averaged: Flag = False  # the mean of the teacher's answers to image and mirror image


class Swa(BaseModel):
    """From when on the weights that epochs end with are averaged."""

    model_config = STRICT
    start: Share = 0.75  # of the run


class RecipeDocument(BaseModel):
    """The top level of a recipe."""

    model_config = STRICT
    schema_: Version = Field(default=1, alias="schema")
    name: Identifier = "recipe"
    description: Annotated[str, Says("a text")] | None = None
    epochs: Whole
    batch_size: Whole = 128  # over all processes
    optimizer: Annotated[dict[str, Any], Says(f"{_ONE} {{sgd: {{lr: 0.1}}}}")]
    schedule: Annotated[dict[str, Any], Says(f"{_ONE} {{one_cycle: {{warmup: 0.2}}}}")]
    weight_decay: WeightDecay = WeightDecay()
    augment: Annotated[tuple[Any, ...], Says("a list of items such as {horizontal_flip: {p: 0.5}}")] = ()
    label_smoothing: Probability = 0.0
    distillation: Distillation | None = None  # from the network that --teacher names
    mixup: Positive = 0.0  # alpha of the Beta distribution that mixes two images; 0 for none
    l1: Positive = 0.0  # penalty on the absolute values of the weights that decay
    ema: Annotated[float, Ge(0), Lt(1), Says("a decay such as 0.999, or 0 for none")] = 0.0
    swa: Swa | None = None  # stochastic weight averaging, of the weights that ema gives where there is one
    clip: Annotated[float, Gt(0), Says("a gradient norm over 0, or null")] | None = None
    dropout: Probability | None = None  # of every dropout in the network; the spec's own unless given
    precision: Precision = "auto"  # bfloat16 autocast where the machine computes in it
    channels_last: Flag = True
    seed: Annotated[int, Ge(0), Le(2**32 - 1), Says("a whole number from 0 to 4294967295")] = 0


@dataclass(frozen=True)
class Recipe:
    """How a network is trained."""

    settings: RecipeDocument
    optimizer: Optimizer
    schedule: Schedule
    augment: tuple[Transform, ...]

    def to_dict(self) -> dict[str, Any]:
        """The recipe with every default filled in, as plain data that loads to an equal one."""
        data: dict[str, Any] = self.settings.model_dump(by_alias=True, exclude={"description"})
        data["optimizer"] = _named(self.optimizer, OPTIMIZERS)
        data["schedule"] = _named(self.schedule, SCHEDULES)
        data["augment"] = [_named(one, TRANSFORMS) for one in self.augment]
        plain: dict[str, Any] = listed(data)
        return plain

    def override(self, **settings: Any) -> Recipe:
        """The same recipe with other top-level settings; None leaves one as it is.

        Raises:
            SpecError: A value is not one that the setting takes.
        """
        given = {key: value for key, value in settings.items() if value is not None}
        return load_recipe({**self.to_dict(), **given}) if given else self


def _named(one: BaseModel, kinds: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    return {next(name for name, kind in kinds.items() if type(one) is kind): one.model_dump()}


@lru_cache(maxsize=1)
def recipe_names() -> tuple[str, ...]:
    """The recipes that ship with fieldspec, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def load_recipe(source: Recipe | str | os.PathLike[str] | Mapping[str, Any]) -> Recipe:
    """A recipe by its name, from a YAML or JSON file (a path), or from plain data.

    Raises:
        SpecError: The recipe cannot be used; every problem in it, one a line.
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
        return _recipe(read_file(_FOLDER / f"{source}.yaml", f"{source}.yaml", kind=_RECIPE))
    path = FilePath(source)
    if path.is_dir():
        raise FieldspecError(f"{path}: is a folder. Give a recipe's file in it")
    if not path.exists():
        if path.suffix or os.sep in os.fspath(source):
            raise FieldspecError(f"{path}: no such file")
        known = mend(os.fspath(source), recipe_names())
        raise FieldspecError(f"{os.fspath(source)!r} is neither a recipe of fieldspec nor a file.{known}")
    return _recipe(read_file(path, os.fspath(source), kind=_RECIPE))


def loads_recipe(text: str | bytes, *, name: str | None = None) -> Recipe:
    """A recipe from YAML or JSON text; `name` stands for the file in messages."""
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
        problems.add(("optimizer", "sgd", "nesterov"), "needs a momentum over 0. Give one, or leave nesterov out")
    if len(problems):
        raise SpecError(map(source.place, problems.all()))
    typed: dict[str, Any] = {"optimizer": {}, "schedule": {}, "augment": ()}  # these sections have types of their own
    return Recipe(document.model_copy(update=typed), optimizer, rate, tuple(augment))


def _one(
    value: Any,
    kinds: Mapping[str, type[BaseModel]],
    path: Path,
    problems: Problems,
    synonyms: Mapping[str, str] | None = None,
) -> Any:
    """The settings of an item, which is a mapping of one name to them; None where it has a problem."""
    if not isinstance(value, dict):
        if len(path) > 1:  # the sections are checked with the document
            problems.add(path, f"needs {_ONE} {{horizontal_flip: {{p: 0.5}}}}, gets {written(value)}")
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
