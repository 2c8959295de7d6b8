"""Schemas of the files that are read back: run.json, card.json, and the card inside a weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field

from fieldspec.architectures.document.validation import Identifier, Version, validate
from fieldspec.architectures.document.values import listed
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.settings import Says

KNOWN = ConfigDict(strict=True, frozen=True, extra="allow")  # other versions may write more keys
Text = Annotated[str, Says("text")]
ImageCount = Annotated[int, Ge(0), Says("a whole number, 0 or more")]
Names = Annotated[tuple[str, ...], Says("a list of names")]
Means = Annotated[tuple[Annotated[float, Ge(-1000), Le(1000)], ...], Says("a list of numbers, one per channel")]
Accuracy = Annotated[float, Ge(0), Le(1), Says("a share from 0 to 1")]
Deviations = Annotated[tuple[Annotated[float, Gt(0), Le(1000)], ...], Says("a list of numbers over 0, one per channel")]


class WeightsCard(BaseModel):
    """The card in a weights file; every key is optional."""

    model_config = KNOWN
    classes: Names | None = None
    mean: Means | None = None
    std: Deviations | None = None
    data: Text | None = None
    digest: Text | None = None
    full: Annotated[bool, Says("true or false")] = False
    recipe: Annotated[dict[str, Any], Says("a recipe")] | None = None
    seed: ImageCount | None = None
    test_accuracy: Accuracy | None = None
    int8: Annotated[dict[str, Any], Says("ranges and exponents")] | None = None  # learned by int8 training


class RunCard(BaseModel):
    """The part of card.json that publishing reads."""

    model_config = KNOWN
    hash: Text
    name: Identifier
    recipe: Annotated[dict[str, Any], Says("a recipe")]
    test_accuracy: Accuracy | None = None


class RunDocument(BaseModel):
    """The content of run.json."""

    model_config = KNOWN
    schema_: Version = Field(alias="schema")
    name: Text
    hash: Text
    spec: Annotated[dict[str, Any], Says("a spec")]
    recipe: Annotated[dict[str, Any], Says("a recipe")]
    data: Text
    data_source: Text | None = None
    images: ImageCount
    digest: Text
    classes: Names
    mean: Means
    std: Deviations
    full: Annotated[bool, Says("true or false")]
    augment: Annotated[Literal["host", "device"], Says("host or device")]
    initial_checkpoint: Text | None = None
    teacher: Names | None = None
    teacher_digest: Text | None = None
    extended_after: Annotated[tuple[Annotated[int, Ge(1)], ...], Says("a list of epochs")] = ()
    processes: Annotated[int, Ge(1), Says("a whole number, 1 or more")]
    precision: Text
    command: Text
    hardware: Text
    versions: Annotated[dict[str, str], Says("a mapping of packages to versions")]
    date: Text


def checked(model: type[BaseModel], data: Any, path: Path) -> dict[str, Any]:
    """Validate a document's data and fill in the defaults.

    Raises:
        FieldspecError: A value is of the wrong type or size; names the first one.
    """
    if not isinstance(data, dict):
        raise FieldspecError(f"{path}: contains a {type(data).__name__}, but needs a mapping")
    document, problems = validate(model, data, ())
    if problems:
        raise FieldspecError(f"{path}: {problems[0]}")
    plain: dict[str, Any] = listed(document.model_dump(by_alias=True))
    return plain
