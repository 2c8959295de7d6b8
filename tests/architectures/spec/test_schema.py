"""The JSON Schema that editors use."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from broken import BROKEN as BROKEN_TEXTS
from broken import shapes
from jsonschema import Draft202012Validator

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.document.reader import read
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.schema import json_schema
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks import registry

BROKEN: list[dict[str, Any]] = [
    {"layer": []},
    {"schema": 2},
    {"schema": True},
    {"name": "my net"},
    {"input": [3]},
    {"input": [3, 32, 0]},
    {"layers": []},
    {"layers": [3]},
    {"layers": [{}]},
    {"layers": [{"conv": {}}]},
    {"layers": [{"conv": {"out": 8, "strid": 2}}]},
    {"layers": [{"conv": {"out": "8"}}]},
    {"layers": [{"conv": {"out": 10**9}}]},
    {"layers": [{"conv": {"out": 8, "kernel": []}}]},
    {"layers": [{"conv": {"out": 8, "padding": "sam"}}]},
    {"layers": [{"convv": {"out": 8}}]},
    {"layers": [{"conv": {"out": 8, "order": ["conv", "conv", "act"]}}]},
    {"defaults": {"order": ["conv", "conv", "act"]}},
    {"params": {"Width": 8}},
    {"blocks": {"conv": {"body": [{"conv": {"out": 8}}]}}},
    {"blocks": {"own": {"body": [{"conv": {"out": 8, "strid": 2}}]}}, "layers": [{"own": {}}]},
    {"blocks": {"own": {"body": [{"residual": {"shortcut": [{"conv": {"o": 8}}]}}]}}, "layers": [{"own": {}}]},
    {"layers": [{"conv": {"out": 8, "norm": {"groups": 4}}}]},
    {"layers": [{"conv": {"out": 8}, "tap": 1}]},
    {"layers": [{"conv": {"out": 8}, "repeat": 0}]},
    {"layers": [{"conv": {"out": 8}, "repeat": 2_000_000}]},
    {"layers": [{"conv": {"out": 8}, "first": {"stride": 2}}]},
    {"layers": [{"conv": {"out": 8}, "repeat": 2, "first": {"strid": 2}}]},
    {"layers": [{"conv": {"out": 8}, "id": "Train"}]},
    {"layers": [{"max_pool": {"type": "avg"}}]},
    {"layers": [{"residual": {"body": [{"conv": {"ot": 8}}]}}]},
    {"layers": [{"parallel": {"merge": "sum", "branches": []}}]},
    {"layers": [{"parallel": {"merge": "add", "branches": [{"act": {}}]}}]},
    {"head": {"pool": "avg"}},
    {"defaults": {"act": "rel"}},
    {"blocks": {"own": {"bodi": []}}},
    {"layers": [{"id": "a"}]},
    {"layers": [{"conv": {"out": 8}, "act": {}}]},
    {"layers": [{"conv": None}]},
    {"layers": [{"conv": {"out": 8}, "id": "forward"}]},
    {"layers": [{"chain": {"body": [{"act": {}, "id": "self"}]}}]},
    {"layers": [{"conv": {"out": 8}, "id": "a"}, {"act": {}, "from": ["input", "a"]}]},
    {"layers": [{"conv": {"out": 3}, "id": "a"}, {"add": {}}]},
    {"layers": [{"conv": {"out": 3}, "id": "a"}, {"add": {}, "from": "a"}]},
    {"layers": [{"conv": {"out": 3}, "id": "a"}, {"concat": {}, "from": ["a"]}]},
    {"layers": [{"conv": {"out": 3}, "id": "a"}, {"add": {}, "from": ["a", "input"], "repeat": 2}]},
    {"layers": [{"residual": {"stride": 2}}]},
    {"layers": [{"residual": {"out": 3, "body": [{"act": {}}]}}]},
    {"layers": [{"inverted_residual": {"out": 8}}]},
    {"layers": [{"inverted_residual": {"out": 8, "expand": 8, "expand_ratio": 2}}]},
    {"layers": [{"resize": {}}]},
    {"layers": [{"resize": {"scale": 2, "size": 8}}]},
    {"constraints": {"params": 200_000}},
    {"constraints": {"params": "200k"}},
    {"constraints": {"uses": ["dilate"]}},
    {"constraints": {"param": "< 1"}},
]


BEYOND: dict[str, set[str]] = {  # what JSON Schema cannot say, by why; the texts are those of tests/support/broken
    "it computes no shapes": {
        *shapes.BROKEN,
        "group norm on its own",
        "projection around a resize",
        "misfit of the first alone",
        "misfit inside an own block",
        "window inside an own block",
        "inside a body",
        "shapes that meet inside a body",
    },
    "it looks up no names in other places": {
        "unknown from",
        "from below",
        "from itself",
        "from a copy that is not",
        "duplicate ids",
        "id of a copy",
        "id of a number given by hand",
        "ids that are not above, inside a body",
        "recursion",
        "own block's unused parameter",
        "own block's parameters",
        "own block's value",
        "own block's default",
        "own block's unknown parameter",
        "parameter that is not there",
        "parameter with another name",
        "parameter that is not used",
    },
    "it multiplies no numbers": {
        "too many layers",
        "repeats of repeats",
        "too many together",
        "doubling",
        "expression that is not whole",
    },
    "a whole number may be written 32.0": {"input of halves"},
    "--set may give it": {"parameter that has to be given"},
    "what equals a default may stand there, in any form": {"residual with body and stride"},
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    """Of the schema, which is itself valid."""
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_golden(golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole schema is as it was."""
    library = {
        name: block for name, block in registry._BLOCKS.items() if block.function.__module__.startswith("fieldspec.")
    }
    monkeypatch.setattr(registry, "_BLOCKS", library)
    golden("schema.json", json.dumps(json_schema(), indent=1) + "\n")


@pytest.mark.parametrize("name", catalogue.list_models())
def test_catalogue(name: str, validator: Draft202012Validator) -> None:
    """Every catalogue entry passes, as written and in its canonical form."""
    for data in (load(name).to_dict(), load(name).canonical()):
        assert [error.message for error in validator.iter_errors(data)] == []


def test_blocks_of_the_specs_own(validator: Draft202012Validator) -> None:
    """`$name` may stand anywhere in a body under `blocks`, and the block's name in the layers."""
    data = {
        "input": [3, 32, 32],
        "blocks": {
            "own": {
                "params": {"w": None, "x": [], "s": {"out": 4}, "f": {"default": None}},
                "body": [
                    {"conv": {"out": "$w"}, "repeat": "$w", "id": "one"},
                    {"chain": {"body": "$x"}},
                    {"concat": {}, "from": ["one", "chain1"]},
                    {"residual": {"out": "$w", "body": "$f"}},
                    {"conv": "$s"},
                ],
            },
            "outer": {"params": {"s": None}, "body": [{"own": "$s"}]},
        },
        "layers": [
            {"outer": {"s": {"w": 4}}, "from": None},
            {"residual": {"out": 8, "body": None}},
            {"own": {"w": 8}},
            {"own": {"w": 2, "x": [{"act": {}}]}, "repeat": 2},
            {"max_pool": None},
            {"residual": {"out": 8, "body": None}, "from": ["pool1"]},
        ],
        "head": None,
    }
    assert [error.message for error in validator.iter_errors(data)] == []
    load(data)


@pytest.mark.parametrize("change", BROKEN, ids=json.dumps)
def test_broken(change: dict[str, Any], validator: Draft202012Validator) -> None:
    """What the loader refuses for its form, the schema refuses."""
    data = {"input": [3, 32, 32], "layers": [{"conv": {"out": 8}}], **change}
    assert not validator.is_valid(data)
    with pytest.raises(ValueError, match=r"layers|input|schema|name|head|defaults|blocks|constraints"):
        load(data)


def test_every_setting_is_described() -> None:
    """Each block has the first line of its docstring, and all its settings by the spec's words."""
    definitions = json_schema()["$defs"]
    for name in registry.block_names():
        block = registry.block_type(name)
        assert block is not None
        assert definitions[name]["description"] == block.summary
        assert list(definitions[name]["properties"]) == list(block.settings)


def test_only_what_cannot_be_said_is_let_through(validator: Draft202012Validator) -> None:
    """Of all broken specs that can be read, the schema refuses those whose fault JSON Schema can say."""
    let_through = set()
    for name, (text, _) in BROKEN_TEXTS.items():
        try:
            data = read(text).data
        except SpecError:
            continue  # no data: an editor's YAML refuses it
        if validator.is_valid(data):
            let_through.add(name)
    assert let_through == set().union(*BEYOND.values())
