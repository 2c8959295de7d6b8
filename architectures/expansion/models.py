"""The sections of a spec and the settings of blocks, as pydantic models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel, Field, PydanticUserError, create_model

from fieldspec.architectures.document.validation import STRICT, Identifier, Version, words_of
from fieldspec.blocks.block_type import REQUIRED, BlockType, Setting
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.settings import MAX_AXES, Act, ActFunction, Norm, NormKind, Order, Says

MAX_EXTENT = 65_536  # limit for the input's pixels per axis and channels

Extent = Annotated[int, Ge(1), Le(MAX_EXTENT)]
ITEMS = {"body": Says("a list of items"), "branches": Says("a list of lists of items; [] is the identity")}


def value_type(setting: Setting) -> Any:
    """The type of a setting's value in a document; items are left unchecked."""
    if setting.holds == "value":
        return setting.annotation
    if setting.holds == "either":
        return Annotated[setting.value | tuple[Any, ...], Says(f"{words_of(setting.value)}, or a list of items")]
    return Annotated[Any, ITEMS[setting.holds]]


class Defaults(BaseModel):
    """Defaults for settings that an item does not give."""

    model_config = STRICT
    order: Order | None = None
    act: Act | None = None
    norm: Norm | None = None


@lru_cache(maxsize=256)
def _spoken_of(block: BlockType) -> Mapping[str, str]:
    """The settings of a block that `defaults` covers, by name and type: a user's own `act: str` is not covered."""
    types: dict[str, tuple[str, Any]] = {"order": ("order", Order), "act": ("act", Act), "norm": ("norm", Norm)}
    alone: dict[str, Any] = {"act": ActFunction, "norm": NormKind}  # called `type` in single layers
    if block.name in alone:
        types["type"] = (block.name, alone[block.name])
    settings = block.settings.items()
    return {word: types[word][0] for word, one in settings if word in types and one.annotation == types[word][1]}


def usual_values(block: BlockType, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a block given by `defaults`; `none` does not apply to single layers.

    Example:
        >>> from fieldspec.blocks import block_type
        >>> conv, act = block_type("conv"), block_type("act")
        >>> usual_values(conv, {"act": "silu"}), usual_values(act, {"act": "silu"}), usual_values(act, {"act": "none"})
        ({'act': 'silu'}, {'type': 'silu'}, {})
    """
    found = {word: defaults[name] for word, name in _spoken_of(block).items() if defaults.get(name) is not None}
    return {word: value for word, value in found.items() if word != "type" or value != "none"}


class UserBlock(BaseModel):
    """A custom block: parameters with defaults (null: required), and items that use them as $name."""

    model_config = STRICT
    params: Annotated[dict[str, Any], Says("a mapping of names to defaults, ~ for required ones")] = {}
    body: Annotated[tuple[Any, ...], ITEMS["body"]]


class Objectives(BaseModel):
    """The measures that a search of the spec minimizes and maximizes."""

    model_config = STRICT
    minimize: Annotated[tuple[str, ...], Says("a list of measures such as [params, macs]")] = ()
    maximize: Annotated[tuple[str, ...], Says("a list of measures such as [receptive_field]")] = ()


class SpecDocument(BaseModel):
    """The top level of a spec."""

    model_config = STRICT
    schema_: Version = Field(default=1, alias="schema")
    name: Identifier = "network"
    description: Annotated[str, Says("text")] | None = None
    input: Annotated[
        tuple[Extent, ...],
        MinLen(2),
        MaxLen(1 + MAX_AXES),
        Says(f"[channels, height, width], each from 1 to {MAX_EXTENT}"),
    ]
    params: Annotated[dict[str, Any], Says("a mapping of names to values, ~ for required ones")] = {}
    defaults: Defaults = Defaults()
    blocks: Annotated[dict[str, UserBlock], Says("a mapping of names to blocks")] = {}
    layers: Annotated[tuple[Any, ...], Field(min_length=1), Says("a list of at least one item")]
    outputs: Annotated[tuple[str, ...], MinLen(2), Says("a list of at least two ids")] | None = None
    head: Annotated[dict[str, Any], Says("a mapping such as {pool: avg, classes: 10}")] | None = None
    constraints: Annotated[dict[str, Any], Says("a mapping such as {params: '< 200k'}")] = {}
    objectives: Objectives = Objectives()


@lru_cache(maxsize=256)
def settings_model(block: BlockType) -> type[BaseModel]:
    """The pydantic model of a block's settings; values that are items are left unchanged."""
    fields: dict[str, Any] = {}
    for word, setting in block.settings.items():
        default = ... if setting.default is REQUIRED else setting.default
        fields[setting.name] = (value_type(setting), Field(default, alias=word))
    try:
        return create_model(block.name, __config__=STRICT, __doc__=block.summary, **fields)
    except PydanticUserError as error:
        raise FieldspecError(f"block {block.name!r}: its settings cannot be checked: {error.message}") from None
