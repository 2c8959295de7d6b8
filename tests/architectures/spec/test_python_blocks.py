"""Blocks written in Python: registered, validated, and named where they fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from written_specs import shape, spec_of

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.schema import json_schema
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks import registry
from fieldspec.blocks.block import IDENTITY, Block, chain, parallel_concat
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.layers import Conv
from fieldspec.blocks.library import conv
from fieldspec.blocks.registry import register_block
from fieldspec.blocks.settings import Act


@pytest.fixture
def blocks() -> Iterator[None]:
    """Blocks that a test registers are gone after it."""
    before = dict(registry._BLOCKS)
    yield
    registry._BLOCKS.clear()
    registry._BLOCKS.update(before)


def ghost(in_channels: int, *, out: int, ratio: int = 2, act: Act = "relu") -> Block:
    """Half of the channels from the other half (Han et al., 2020)."""
    own = out // ratio
    cheap = conv(own, out_channels=own * (ratio - 1), groups=own, act=act)
    return chain(
        primary=conv(in_channels, out_channels=own, kernel_size=1, act=act),
        ghost=parallel_concat(primary=IDENTITY, cheap=cheap),
    )


@pytest.mark.usefixtures("blocks")
def test_register_block() -> None:
    """A function becomes a block of the spec: its annotations validate, its defaults show, its words are there."""
    assert register_block(ghost) is ghost
    spec = spec_of("[{ghost: {out: 8}}]", ", defaults: {act: silu}")
    assert spec.items[0].settings == {"out": 8, "ratio": 2, "act": "silu"}
    assert shape(spec) == (8, 32, 32)
    assert (
        json_schema()["$defs"]["ghost"]["description"] == "Half of the channels from the other half (Han et al., 2020)."
    )
    assert json_schema()["$defs"]["ghost"]["required"] == ["out"]
    with pytest.raises(SpecError, match=r"layers\[0\].ghost.ratio: needs a whole number, gets 'two'$"):
        spec_of("[{ghost: {out: 8, ratio: two}}]")
    register_block(name="spirit")(ghost)
    assert spec_of("[{spirit: {out: 8}}]").items[0].id == "spirit1"


@pytest.mark.usefixtures("blocks")
def test_register_block_with_a_body() -> None:
    """A setting annotated `Block` is written as a list of items, `tuple[Block, ...]` as a list of such lists."""

    @register_block
    def beside(in_channels: int, *, body: Block, others: tuple[Block, ...] = ()) -> Block:
        """The body and each of the others, side by side."""
        return parallel_concat(body=body, **{f"other{n}": other for n, other in enumerate(others, 1)})

    spec = spec_of("[{beside: {body: [{conv: {out: 4}}], others: [[{conv: {out: 5}}], []]}}]")
    assert shape(spec) == (4 + 5 + 3, 32, 32)
    assert "beside1.other1.conv1.norm" in [node.id for node in spec.graph]
    assert load(spec.canonical()) == spec
    with pytest.raises(
        SpecError, match=r"\[0\].beside.others\[0\]\[0\].cnv: unknown block 'cnv'. Did you mean 'conv'\?$"
    ):
        spec_of("[{beside: {body: [], others: [[{cnv: {}}]]}}]")


@pytest.mark.usefixtures("blocks")
def test_a_users_function_may_refuse() -> None:
    """A ValueError of the function is a problem of the item; what is no Block is said to be none."""

    @register_block
    def even(in_channels: int, *, out: int) -> Block:
        if out % 2:
            raise ValueError(f"out (={out}) must be even")
        return Conv(in_channels, out)

    @register_block
    def nothing(in_channels: int) -> Block:
        return None  # type: ignore[return-value]

    with pytest.raises(SpecError, match=r"layers\[0\].even: out \(=3\) must be even$"):
        spec_of("[{even: {out: 3}}]")
    with pytest.raises(SpecError, match=r"layers\[0\].nothing: block 'nothing' returns nothing, which is not a Block$"):
        spec_of("[{nothing: }]")


@pytest.mark.usefixtures("blocks")
def test_register_block_refuses() -> None:
    """A taken name, no name, positional settings and settings without a type are refused when registered."""

    def positional(in_channels: int, out: int) -> Block:
        return IDENTITY

    def untyped(in_channels: int, *, out) -> Block:  # type: ignore[no-untyped-def]
        return IDENTITY

    def unknown_type(in_channels: int, *, out: Nowhere) -> Block:  # type: ignore[name-defined]  # noqa: F821
        return IDENTITY

    def fine(in_channels: int) -> Block:
        return IDENTITY

    cases: list[tuple[Any, str, str]] = [
        (fine, "conv", r"block name 'conv' is taken. Choose another with register_block\(name=...\)"),
        (fine, "max_pool", "block name 'max_pool' is taken"),
        (fine, "from", "block name 'from' must be a lower-case identifier other than id, from, repeat, first, tap"),
        (fine, "Conv", "block name 'Conv' must be a lower-case identifier"),
        (
            positional,
            "positional",
            r"block 'positional' must take \(in_channels, \*, ...\), with keyword-only settings",
        ),
        (untyped, "untyped", "block 'untyped': settings without a type annotation: out"),
        (unknown_type, "unknown_type", "block 'unknown_type': name 'Nowhere' is not defined"),
    ]
    for function, name, message in cases:
        with pytest.raises(FieldspecError, match=message):
            register_block(name=name)(function)


@pytest.mark.usefixtures("blocks")
def test_a_notebook_may_run_a_cell_again() -> None:
    """The same function, defined again, takes the place of the first."""
    for stride in (1, 2):

        @register_block
        def again(in_channels: int, *, step: int = stride) -> Block:
            return conv(in_channels, out_channels=4, stride=step)

    assert shape(spec_of("[{again: }]")) == (4, 16, 16)


@pytest.mark.usefixtures("blocks")
def test_a_type_that_cannot_be_checked() -> None:
    """A setting of a type that pydantic does not know is the block's fault, and said so."""

    class Own:
        pass

    def odd(in_channels: int, *, own: Own) -> Block:
        return IDENTITY

    odd.__annotations__["own"] = Own
    register_block(odd)
    with pytest.raises(FieldspecError, match=r"^block 'odd': its settings cannot be checked: Unable to generate"):
        spec_of("[{odd: {own: 1}}]")


@pytest.mark.usefixtures("blocks")
def test_a_users_block_that_raises_is_named_where_it_is_used() -> None:
    """Whatever a registered function raises becomes a problem with its path."""

    @register_block(name="raises_example")
    def raising(in_channels: int, *, parts: int = 0) -> Block:
        return conv(in_channels, out_channels=in_channels // parts)

    with pytest.raises(SpecError, match=r"raises_example' raised ZeroDivisionError") as caught:
        spec_of("[{raises_example: {}}]")
    assert caught.value.problems[0].path == ("layers", 0, "raises_example")
