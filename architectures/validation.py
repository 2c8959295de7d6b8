"""pydantic's part: the types of a spec's sections and settings, with its verdicts put into our words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from fieldspec.architectures.problems import Path, Problem, did_you_mean, shorten
from fieldspec.blocks.registry import REQUIRED, BlockType
from fieldspec.blocks.settings import MAX_CHANNELS, Act, Channels, Norm, Order, Says

STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
MAX_EXTENT = 65_536  # pixels

Extent = Annotated[int, Ge(1), Le(MAX_EXTENT)]
Identifier = Annotated[
    str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$"), Says("letters, digits, '_', '-' and '.', a letter first")
]


class Defaults(BaseModel):
    """What every block of the spec takes where its item is silent."""

    model_config = STRICT
    order: Order | None = None
    act: Act | None = None
    norm: Norm | None = None


class UserBlock(BaseModel):
    """A block of the spec's own: parameters with defaults (null: required), and items that use them as $name."""

    model_config = STRICT
    params: dict[str, Any] = {}
    body: Annotated[tuple[Any, ...], Says("a list of items")]


class Document(BaseModel):
    """The top level of a spec."""

    model_config = STRICT
    schema_: Annotated[Literal[1], Says("1, the only version so far")] = Field(default=1, alias="schema")
    name: Identifier = "network"
    description: Annotated[str, Says("a text")] | None = None
    input: Annotated[
        tuple[Channels, Extent, Extent],
        Says(f"[channels, height, width], whole numbers from 1 to {MAX_CHANNELS}"),
    ]
    defaults: Defaults = Defaults()
    blocks: Annotated[dict[str, UserBlock], Says("a mapping of names to blocks")] = {}
    layers: Annotated[tuple[Any, ...], Field(min_length=1), Says("a list of one item or more")]
    head: Annotated[dict[str, Any], Says("a mapping such as {pool: avg, classes: 10}")] | None = None
    constraints: Annotated[dict[str, Any], Says("a mapping such as {params: '< 200k'}")] = {}


@lru_cache(maxsize=256)
def settings_model(block: BlockType) -> type[BaseModel]:
    """The pydantic model of a block's settings; places for items hold plain lists."""
    fields: dict[str, Any] = {}
    for word, setting in block.settings.items():
        default = ... if setting.default is REQUIRED else setting.default
        annotation = {
            "value": setting.annotation,
            "body": Annotated[tuple[Any, ...], Says("a list of items")],
            "branches": Annotated[tuple[tuple[Any, ...], ...], Says("a list of lists of items; [] is the identity")],
        }[setting.holds]
        if setting.holds != "value" and default is None:
            annotation = annotation | None
        fields[setting.name] = (annotation, Field(default, alias=word))
    return create_model(block.name, __config__=STRICT, __doc__=block.summary, **fields)


def validate(model: type[BaseModel], data: Mapping[str, Any], path: Path) -> tuple[Any, list[Problem]]:
    """The validated model and no problems, or None and all of them."""
    try:
        return model.model_validate(frozen(data)), []
    except ValidationError as error:
        return None, _problems(error, model, data, path)


def frozen(value: Any) -> Any:
    """Lists to tuples, which is what the models keep."""
    if isinstance(value, list | tuple):
        return tuple([frozen(item) for item in value])
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return value


def _problems(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any], path: Path) -> list[Problem]:
    """One problem a setting, however many members of a union refused it."""
    found: dict[Path, Problem] = {}
    for detail in error.errors(include_url=False, include_context=False):
        at, known, words = _named(model, detail["loc"])
        if detail["type"] == "extra_forbidden" and at and at[-1] not in known:
            message = f"unknown key.{did_you_mean(str(at[-1]), known) or _known(known)}"
            problem = Problem(path + at, message, at_key=True)
        elif detail["type"] == "missing" and len(at) == len(detail["loc"]):
            problem = Problem(path + at[:-1], f"missing key {at[-1]!r}{_needs(words)}")
            at = (*at, "missing")
        else:
            value: Any = data
            for step in at:
                value = value[step]
            problem = Problem(path + at, f"needs {words}, gets {written(value)}")
        found.setdefault(at, problem)
    return list(found.values())


def _named(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[Path, list[str], str]:
    """How much of pydantic's location a spec's author would write, the keys known there, and what the last accepts.

    Locations go on into tuple indices and union members; they are cut where the models end.
    """
    path: list[str | int] = []
    words = "a mapping"
    current: type[BaseModel] | None = model
    for step in location:
        if current is None:
            break
        known = _keys(current)
        path.append(step)
        if step not in known:
            return tuple(path), known, words
        words, inner = known_type(current, known, str(step))
        if inner is UserBlock and len(location) > len(path):
            path.append(location[len(path)])
            words = "a mapping with params and body"
        model, current = current, inner
    return tuple(path), _keys(current or model), words


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def known_type(model: type[BaseModel], known: list[str], key: str) -> tuple[str, type[BaseModel] | None]:
    """What the field at `key` accepts, in words, and the model that it holds if it holds one."""
    field = list(model.model_fields.values())[known.index(key)]
    says = [item.words for item in field.metadata if isinstance(item, Says)] or _says_inside(field.annotation)
    inner = {Defaults: Defaults, dict[str, UserBlock]: UserBlock}.get(field.annotation)  # type: ignore[call-overload]
    return (says or ["a mapping"])[0], inner


def _says_inside(annotation: Any) -> list[str]:
    """The words of an Annotated member of a union such as ``Padding | None``."""
    members = getattr(annotation, "__args__", ())
    return [item.words for member in members for item in getattr(member, "__metadata__", ()) if isinstance(item, Says)]


def _known(known: list[str]) -> str:
    return f" Known: {', '.join(known)}."


def _needs(words: str) -> str:
    return f": {words}"


def written(value: Any) -> str:
    """A value as a spec would write it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return shorten(list(value))
    return shorten(value)
