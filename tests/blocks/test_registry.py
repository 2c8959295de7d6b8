"""Blocks written in Python: what cannot be a block is refused at once, what is one keeps its form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.schema import json_schema
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.blocks import Block, chain, conv, register_block, registry
from fieldspec.blocks.block import IDENTITY, Chain, Parallel, Wired
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Add, Conv, Dropout


@pytest.fixture(autouse=True)
def blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_BLOCKS", dict(registry._BLOCKS))


def long_and_short(in_channels: int, *, out: int, out_channels: int) -> Block:
    """Both words of one setting."""
    return IDENTITY


def listed(in_channels: int, *, widths: list[int]) -> Block:
    """A list."""
    return IDENTITY


def listed_or_none(in_channels: int, *, widths: list[int] | None = None) -> Block:
    """A list, perhaps."""
    return IDENTITY


def list_of_blocks(in_channels: int, *, parts: list[Block]) -> Block:
    """A list of blocks."""
    return IDENTITY


def perhaps_branches(in_channels: int, *, parts: tuple[Block, ...] | None = None) -> Block:
    """Branches or none."""
    return IDENTITY


def hidden(in_channels: int, *, _x: int = 1) -> Block:
    """A name that pydantic keeps for itself."""
    return IDENTITY


def config(in_channels: int, *, model_config: int = 1) -> Block:
    """Another."""
    return IDENTITY


def made(in_channels: int, *, make: Any = Conv) -> Block:
    """A default that no text can name."""
    return IDENTITY


class Own:
    """A class gives objects of itself."""

    def __init__(self, in_channels: int, *, out: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (long_and_short, "out or kernel and its longer name are the same setting. Remove one"),
        (listed, r"widths is a list, and settings are immutable; use tuple\[int, ...\]"),
        (listed_or_none, r"widths is a list, and settings are immutable; use tuple\[int, ...\]"),
        (list_of_blocks, r"parts must be Block, Block | None or tuple\[Block, ...\]"),
        (perhaps_branches, r"parts must be Block, Block | None or tuple\[Block, ...\]"),
        (hidden, "a setting cannot be called '_x'. Rename it"),
        (config, "a setting cannot be called 'model_config'. Rename it"),
        (made, "the default of make cannot be written in a spec"),
        (Own, "must be a function that returns a Block, not a class or other object"),
    ],
)
def test_refused(function: Any, message: str) -> None:
    """When it is registered, and the JSON Schema stays whole."""
    with pytest.raises(FieldspecError, match=rf"^block '\w+'.* ?{message}$"):
        register_block(name="refused")(function)
    assert "refused" not in json_schema()["$defs"]


def test_none_is_written_down_where_it_is_a_choice() -> None:
    """The canonical form of `x: ~` is not that of the default."""

    @register_block
    def perhaps(in_channels: int, *, x: int | None = 5) -> Block:
        return IDENTITY if x is None else conv(in_channels, out_channels=x)

    layers = "{input: [3, 8, 8], layers: [{perhaps: {x: ~}}]}"
    spec = loads(layers)
    assert spec.items[0].settings == {"x": None}
    again = load(spec.canonical())
    assert (again, again.hash) == (spec, spec.hash)
    assert spec.hash != loads(layers.replace("x: ~", "")).hash


def test_equal_numbers_are_equal_specs() -> None:
    """A whole default of a float, and a negative zero."""

    @register_block
    def scaled(in_channels: int, *, x: float = 2) -> Block:
        return Dropout(x / 10)

    layers = "{input: [3, 8, 8], layers: [{scaled: {}}, {conv: {out: 8, dropout: 0.0}}]}"
    plain = loads(layers)
    for other in (layers.replace("scaled: {}", "scaled: {x: 2}"), layers.replace("0.0", "-0.0")):
        assert (loads(other), loads(other).hash, hash(loads(other))) == (plain, plain.hash, hash(plain))
    assert load(plain.canonical()).hash == plain.hash


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Chain((("a", Conv(3, 3)), ("a", Conv(3, 3)))), "two parts of a block are called 'a'"),
        (lambda: chain(Conv(3, 3), conv1=Conv(3, 3)), "two parts of a block are called 'conv1'; rename one"),
        (lambda: Parallel(Add(), (("a", IDENTITY), ("a", IDENTITY))), "two parts of a block are called 'a'"),
        (
            lambda: Chain((("a.b", Conv(3, 3)),)),
            "a part of a block is called 'a.b'; a name must not be empty or contain a",
        ),
        (lambda: Chain((("", Conv(3, 3)),)), "a part of a block is called ''; a name must not be empty"),
        (lambda: Wired((("a", IDENTITY), ("a", IDENTITY)), ((0,), (1,))), "two parts of a block are called 'a'"),
        (
            lambda: Wired((("a", IDENTITY),), ((1,),)),
            r"part 'a' of a block reads \[1\]; it may only read what comes before it",
        ),
        (lambda: Wired((("a", IDENTITY),), ((0, 0),)), r"part 'a' of a block reads \[0, 0\]; a merge"),
        (lambda: Wired((("a", Add()),), ((0,),)), r"part 'a' of a block reads \[0\]; a merge"),
        (lambda: Wired((("a", IDENTITY), ("b", IDENTITY)), ((0,), (0,))), "nothing reads part 'a' of a block"),
        (lambda: Wired((("a", IDENTITY),), ()), "a block has 1 parts, but sources for 0"),
    ],
)
def test_names_of_parts(make: Callable[[], Block], message: str) -> None:
    """A module is found by its name: numbers and network would drift apart."""
    with pytest.raises(FieldspecError, match=message):
        make()

    @register_block
    def odd(in_channels: int) -> Block:
        return make()

    with pytest.raises(SpecError, match=rf"layers\[0\].odd: {message}"):
        load({"input": [3, 8, 8], "layers": [{"odd": None}]})


def test_settings_are_resolved_before_the_call() -> None:
    """A function gets what `resolve` leaves, from a spec and from Python alike; the canonical form has the same."""

    def resolve(in_channels: int, settings: dict[str, Any]) -> dict[str, Any]:
        return {**settings, "width": in_channels * settings["factor"], "factor": None}

    @register_block(resolve=resolve)
    def widened(in_channels: int, *, width: int | None = None, factor: int | None = 2, act: str) -> Block:
        assert width is not None
        assert factor is None
        return conv(in_channels, out_channels=width, act="none" if act == "no" else "relu")

    assert widened(3, factor=4, act="no").out_channels_of(3) == 12
    with pytest.raises(TypeError, match="required keyword-only argument: 'act'"):
        widened(3)  # type: ignore[call-arg]  # on purpose
    (layer,) = load({"input": [3, 8, 8], "layers": [{"widened": {"act": "no"}}]}).canonical()["layers"]
    assert layer["widened"] == {"width": 6, "factor": None, "act": "no"}
