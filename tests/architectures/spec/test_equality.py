"""When two specs are one: equality, the hash, and round trips through every format."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from written_specs import spec_of

from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.architectures.spec.writer import dump
from fieldspec.blocks.errors import FieldspecError


@pytest.mark.parametrize(
    "change",
    [{"name": "other"}, {"description": "words"}, {"constraints": {"params": "< 1"}}],
    ids=lambda change: next(iter(change)),
)
def test_hash_outlives(change: dict[str, Any]) -> None:
    """Name, description and constraints are not what is built."""
    spec = load("c1c2c3c40")
    assert load({**spec.to_dict(), **change}).hash == spec.hash


@pytest.mark.parametrize(
    "layers",
    [
        "[{conv: {out: 9}}]",
        "[{conv: {out: 8}, id: a}]",
        "[{conv: {out: 8}}, {identity: }]",
        "[{conv: {out: 8, act: silu}}]",
    ],
)
def test_hash_changes(layers: str) -> None:
    """A width, an id (a name in the state dict), an item and an activation are."""
    assert spec_of(layers).hash != spec_of("[{conv: {out: 8}}]").hash
    assert spec_of("[{conv: {out: 8}}]", size="[3, 32, 33]").hash != spec_of("[{conv: {out: 8}}]").hash
    assert spec_of("[{conv: {out: 8}}]", ", head: {classes: 2}").hash != spec_of("[{conv: {out: 8}}]").hash


def test_equality() -> None:
    """Equal specs have the same canonical form; comments and spelling do not count, name and constraints do."""
    spec = spec_of("[{conv: {out: 8}}]")
    assert spec == loads("# a comment\ninput: [3, 32, 32]\nlayers:\n  - conv:\n      out: 8\n")
    assert hash(spec) == hash(loads("{input: [3, 32, 32], layers: [{conv: {out: 8}}], name: other}"))
    assert spec != spec_of("[{conv: {out: 8}}]", ", name: other")
    assert spec != spec_of("[{conv: {out: 8}}]", ", constraints: {params: '< 1'}")
    assert spec != "conv1"


def test_taps_are_not_hashed() -> None:
    """Which levels are taken out changes no weight."""
    assert spec_of("[{conv: {out: 8}, tap: true}, {act: }]").hash == spec_of("[{conv: {out: 8}}, {act: }]").hash


ODD = [
    "1e-3",
    "on",
    "> 44",
    "~",
    "null",
    "0x10",
    "1_000",
    "",
    " ",
    "a: b",
    "- a",
    "# no",
    "€ ü \U0001f600",
    "'\"",
    "é\n\nb\t",
    "=",
]


@pytest.mark.parametrize("name", catalogue.list_models())
@pytest.mark.parametrize("format", ["yaml", "json"])
def test_round_trip(name: str, format: Any) -> None:
    """Both forms of every catalogue entry are read back as the same spec, in both languages."""
    spec = load(name)
    for canonical in (False, True):
        assert loads(dump(spec, format=format, canonical=canonical)) == spec
        assert load(dump(spec, format="dict", canonical=canonical)) == spec
    assert load(spec.canonical()).canonical() == spec.canonical()


@pytest.mark.parametrize("format", ["yaml", "json"])
@pytest.mark.parametrize("text", ODD)
def test_odd_descriptions(text: str, format: Any) -> None:
    """Texts that YAML would take for something else come back as they are."""
    spec = load({"input": [3, 8, 8], "description": text, "layers": [{"conv": {"out": 8}}]})
    assert loads(dump(spec, format=format)).to_dict()["description"] == text


def test_yaml_is_one_item_a_line() -> None:
    """What is dumped reads like what a person writes."""
    text = dump(load("c1c2c3c40"))
    assert "- conv: {out: 32, kernel: 3, stride: 2, act: none}\n" in text
    assert text.startswith("schema: 1\nname: c1c2c3c40\n")
    assert "input: [3, 32, 32]\ndefaults: {order: [conv, act, norm], act: relu, norm: batch}\nlayers:\n" in text


def test_pickle_and_copy() -> None:
    """A spec survives pickling and copying."""
    spec = load("c1c2c3c40")
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec


def test_an_unknown_format_is_refused() -> None:
    """A word that is none of the three gives no YAML."""
    with pytest.raises(FieldspecError, match="Use yaml, json or dict"):
        dump(spec_of("[{conv: {out: 3}}]"), format="toml")  # type: ignore[arg-type]
