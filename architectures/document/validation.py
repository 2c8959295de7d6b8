"""Validates documents with pydantic, with error messages of our own; for specs and recipes."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from fieldspec.architectures.document.problems import Path, Problem, mend
from fieldspec.architectures.document.values import frozen, written
from fieldspec.blocks.settings import Says

STRICT = ConfigDict(strict=True, frozen=True, extra="forbid")
Version = Annotated[  # not Literal[1], which accepts true and 1.0
    int, Ge(1), Le(1), Says("1, the only version"), WithJsonSchema({"const": 1, "type": "integer"})
]
Identifier = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$"),
    Says("letters, digits, '_', '-' or '.', starting with a letter"),
]


def validate(model: type[BaseModel], data: Mapping[str, Any], path: Path) -> tuple[Any, list[Problem]]:
    """The validated model without problems, or None with all problems."""
    return validate_frozen(model, frozen(data), path)


def validate_frozen(model: type[BaseModel], data: Mapping[str, Any], path: Path) -> tuple[Any, list[Problem]]:
    """Like `validate`, for data that is already frozen."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, _problems(error, model, data, path)


def _problems(error: ValidationError, model: type[BaseModel], data: Mapping[str, Any], path: Path) -> list[Problem]:
    """One problem per setting, even if several members of a union rejected it."""
    found: dict[tuple[Path, bool], Problem] = {}
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        at, field, owner = _place(model, detail["loc"])
        names = {name: one.alias or name for name, one in owner.model_fields.items()}
        missing = detail["type"] == "missing" and len(at) == len(detail["loc"])
        if field is None:
            reason = f"unknown key.{mend(str(at[-1]), names.values(), names)}"
        elif missing:
            reason = f"missing key {at[-1]!r}: give {_words(field)}"
        else:
            reason = f"needs {_words(field)}, gets {written(_value(data, at))}"
        where = path + (at[:-1] if missing else at)
        found.setdefault((at, missing), Problem(where, reason, at_key=field is None))
    return list(found.values())


def _place(model: type[BaseModel], location: tuple[int | str, ...]) -> tuple[Path, Any, type[BaseModel]]:
    """The part of pydantic's location that the author wrote, the field or model there, and the last model.

    Locations continue into tuple indices and union members; they are cut where the models end. A key that no model
    has is not a field.
    """
    path: list[str | int] = []
    field: Any = model
    for step in location:
        if isinstance(field, type) and issubclass(field, BaseModel):
            model = field
            field = next((one for name, one in model.model_fields.items() if step == (one.alias or name)), None)
        elif get_origin(getattr(field, "annotation", None)) is dict and _is_model(get_args(field.annotation)[1]):
            field = get_args(field.annotation)[1]
        else:
            break
        path.append(step)
        if field is None:
            break
        annotation = _unless_none(getattr(field, "annotation", None))
        if _is_model(annotation) and len(path) < len(location):
            field = annotation
    return tuple(path), field, model


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _unless_none(annotation: Any) -> Any:
    """X of X | None; other annotations unchanged."""
    members = [one for one in get_args(annotation) if one is not type(None)]
    return members[0] if get_origin(annotation) in (Union, UnionType) and len(members) == 1 else annotation


def _value(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _words(field: Any) -> str:
    """What a field accepts: its own description, or that of its type."""
    says = [item.words for item in getattr(field, "metadata", ()) if isinstance(item, Says)]
    return says[0] if says else words_of(getattr(field, "annotation", field))


_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def words_of(annotation: Any) -> str:
    """What a type accepts, in words, without None, which a spec cannot write."""
    says = [item.words for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Says)]
    if says:
        return says[0]
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    match get_origin(annotation):
        case origin if origin is Annotated:
            return words_of(arguments[0])
        case origin if origin is Literal:
            return _or(list(map(str, arguments)))
        case origin if origin in (Union, UnionType):
            return _or([words_of(argument) for argument in arguments])
        case origin if origin in (list, tuple):
            return "a list"
    keys = f" with {', '.join(annotation.model_fields)}" if _is_model(annotation) else ""
    return _WORDS.get(annotation, f"a mapping{keys}")


def _or(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
