"""docs/spec.md: written from the registry, and its formulas are those of the layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import gcd
from typing import Any

import pytest
import yaml

from fieldspec.analysis.report.reading import report_of
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.reference.docstrings import KEYS, BlockDoc, Formula, block_doc
from fieldspec.architectures.reference.reference import markdown
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks import IDENTITY, Block, registry
from fieldspec.blocks.block_type import BlockType
from fieldspec.blocks.errors import FieldspecError

LIBRARY = {
    name: block for name, block in registry._BLOCKS.items() if block.function.__module__.startswith("fieldspec.")
}
DOCS: dict[str, BlockDoc] = {name: block_doc(block) for name, block in LIBRARY.items() if block.stands_for is None}
STEM = {"conv": {"out": 32, "stride": 2}}  # so that field and jump are not 1
UNCHANGED: dict[str, str] = {
    "channels": "in",
    "size": "in_size",
    "field": "field",
    "jump": "jump",
    "params": "0",
    "macs": "0",
}
AS_ITS_PARTS = {"chain", "add", "multiply", "concat"}  # and what has branches: costs and fields are those of its parts
TO_VECTORS = {"flatten", "head", "linear"}  # which have no size
CHANGES: list[dict[str, Any]] = [
    {},
    {"out": 48},
    {"out": 32},
    {"kernel": 5},
    {"kernel": [3, 5]},
    {"stride": 1},
    {"stride": 2},
    {"stride": [1, 2]},
    {"dilation": 2},
    {"kernel": 3, "stride": 3},
    {"kernel": 5, "stride": 2, "dilation": 2},
    {"kernel": 4, "stride": 2, "dilation": 3},
    {"padding": 0},
    {"padding": 1, "kernel": 5},
    {"groups": 4},
    {"out": 32, "groups": "depthwise"},
    {"shortcut": "projection"},
    {"shortcut": "none"},
    {"layers": 3},
    {"hidden": 20, "ratio": None},
    {"block": 4},
    {"scale": 3},
    {"size": 8},
]


def test_golden(golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is what the registry and the docstrings say now."""
    monkeypatch.setattr(registry, "_BLOCKS", LIBRARY)
    golden("../../docs/spec.md", markdown())


@pytest.mark.parametrize("line", ["parameters: in", "params = in", "params {norm: none}"])
def test_a_line_that_is_no_formula(line: str) -> None:
    """It is named with its block, and with what a formula needs."""

    def block(in_channels: int) -> Block:
        return IDENTITY

    block.__doc__ = f"A block.\n\nFormulas:\n    {line}\n"
    with pytest.raises(FieldspecError, match=f"block 'mine': '{line}' in its docstring is not a formula; needs one of"):
        block_doc(BlockType("mine", block))


def test_a_block_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block of the user's without a docstring is listed with its settings."""

    def silent(in_channels: int, *, out: int = 8) -> Block:
        return IDENTITY

    monkeypatch.setattr(registry, "_BLOCKS", {"silent": BlockType("silent", silent)})
    page = markdown()
    assert page.endswith(
        "### silent\n\n| setting | default | takes |\n|---|---|---|\n| `out` | `8` | a whole number |\n"
    )


@pytest.mark.parametrize("name", DOCS)
def test_every_block_is_explained(name: str) -> None:
    """A sentence that fits on its line, and an example of this very block."""
    assert LIBRARY[name].summary.endswith((".", ";"))
    assert name in yaml.safe_load(DOCS[name].example)[-1]


def formulas_of(name: str) -> list[Formula]:
    """Those of the docstring, and for what it does not list that it stays as it is, or costs nothing."""
    found = list(DOCS[name].formulas)
    listed = {formula.key for formula in found if not formula.where}
    if any(setting.holds == "branches" for setting in LIBRARY[name].settings.values()) or name in AS_ITS_PARTS:
        return found
    silent = [key for key in KEYS if key not in listed and (key != "size" or name not in TO_VECTORS)]
    return found + [Formula(key, "", UNCHANGED[key]) for key in silent]


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        pytest.param(name, formula, id=f"{name} {formula.key} {formula.where}".strip())
        for name in DOCS
        for formula in formulas_of(name)
    ],
)
def test_formulas_are_those_of_the_layers(name: str, formula: Formula) -> None:
    """For the example and for changes of its settings, a formula gives what the report says."""
    where = yaml.safe_load(f"{{{formula.where}}}")
    usual = {one.key: one.text for one in formulas_of(name) if not one.where}
    text = f"{usual[formula.key]} {formula.text}" if formula.where and formula.text[0] in "+-" else formula.text
    compared = 0
    for change in CHANGES:
        settings = {**change, **where}
        if settings.keys() <= LIBRARY[name].settings.keys():
            try:
                formulated, reported = both(DOCS[name], settings, formula.key, text)
            except SpecError:  # the others do not allow this one
                continue
            assert formulated == reported, (settings, text)
            compared += reported != ()
    assert compared


def both(doc: BlockDoc, settings: dict[str, Any], key: str, text: str) -> tuple[Any, Any]:
    """What a formula and what the report say of the example with other settings; of what has two axes, both."""
    items: list[dict[str, Any]] = [STEM, *yaml.safe_load(doc.example)]
    *before, last = items
    (name,) = last.keys() - set(registry.ITEM_KEYS)
    spec = load({"input": [32, 32, 32], "layers": [*before, {**last, name: {**last[name], **settings}}]})
    item, report = spec.items[-1], report_of(spec.graph)
    layers = [layer for layer in report.layers if f"{layer.id}.".startswith(f"{item.id}.")]
    given, made = report.layers[layers[0].inputs[0]], report.output
    names: dict[str, Any] = {**settings, **item.settings, "gcd": gcd, "in_": given.shape[0]}
    names |= dict(zip(("in_h", "in_w"), given.shape[1:], strict=False))
    names |= dict(zip(("out_h", "out_w"), made.shape[1:], strict=False))
    names["projection"] = int(any(layer.id.endswith("shortcut.conv") for layer in layers))
    names |= names.get("squeeze_excite") or {}  # its `hidden`
    if "growth" in names:
        names["read"] = sum(given.shape[0] + number * names["growth"] for number in range(names["layers"]))
    if "groups" in LIBRARY[name].settings:
        groups = names.get("groups") or 1  # what is not given is 1
        names["groups"] = (names.get("middle") or given.shape[0]) if groups == "depthwise" else groups
    if "kernel" in names:
        names["kernel_h"], names["kernel_w"] = item.settings["kernel"]
    expression = compile(re.sub(r"\bin\b", "in_", text), text, "eval")
    if key in ("channels", "params", "macs"):
        total = made.shape[0] if key == "channels" else sum(getattr(layer, key) for layer in layers)
        return eval(expression, names), total
    has = {"size": made.shape[1:], "field": made.receptive_field, "jump": made.jump}[key]
    axes = [
        {word: along(value, axis) for word, value in names.items()}
        | {"field": given.receptive_field[axis], "jump": Fraction(given.jump[axis])}
        | ({"in_size": given.shape[1 + axis]} if len(given.shape) > 1 else {})  # a vector has no size
        for axis in range(len(given.jump))
    ]
    return tuple(eval(expression, axis) for axis in axes if has), has


def along(value: Any, axis: int) -> Any:
    """A setting along one axis; padding is as much before as after."""
    if isinstance(value, list) and len(value) == 2:
        return value[axis][0] if isinstance(value[axis], list) else value[axis]
    return value
