"""Families: specs with parameters, set in Python, at the command line and through timm."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import timm
from hypothesis import given
from hypothesis import strategies as st

import fieldspec.timm_models
from fieldspec.architectures import dump, load, loads
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.expansion.expressions import compute, round_to
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import main

FAMILY = """
name: family
input: [3, $size, $size]
params: {size: 16, width: 4, depth: 20, between: {act: {type: silu}}}
defaults: {act: relu}
blocks: {own: {params: {kernel: 3}, body: [{conv: {out: $width, kernel: $kernel}}]}}
layers:
  - conv: {out: $width}
  - {residual: {out: 2*$width}, repeat: ($depth - 2) / 6, first: {stride: 2}, id: s}
  - $between
  - own: {kernel: $width + 1}
head: {classes: 10}
"""


def test_defaults_and_values() -> None:
    """A family is the network of its defaults, and that of the values given instead."""
    spec = loads(FAMILY)
    assert [item.id for item in spec.items] == ["conv1", "s.0", "s.1", "s.2", "act1", "own1"]
    assert spec.params == {"size": 16, "width": 4, "depth": 20, "between": {"act": {"type": "silu"}}}
    wider = loads(FAMILY, width=6, depth=8, size=20, between={"identity": {}})
    assert [(item.id, item.block.out_channels_of(6)) for item in wider.items] == [
        ("conv1", 6), ("s", 12), ("identity1", 6), ("own1", 6)
    ]  # fmt: skip
    assert wider.input == (3, 20, 20)
    assert wider.hash != spec.hash


def test_values_are_kept() -> None:
    """The authoring form says them, and loads to the same; a loaded spec takes others; the canonical form has none."""
    spec = loads(FAMILY, width=6)
    assert load(spec.to_dict()) == spec
    assert loads(dump(spec)) == spec
    assert load(spec, width=4) == loads(FAMILY)
    assert "params" not in spec.canonical()
    assert load(spec.canonical()) == spec


def test_unknown_names() -> None:
    """Named, with what there is."""
    with pytest.raises(FieldspecError, match=r"net\.yaml: unknown parameter 'widht'\. Did you mean 'width'\?"):
        loads(FAMILY, name="net.yaml", widht=3)
    with pytest.raises(FieldspecError, match=r"c1c2c3c40: unknown parameter 'width'\. It has none\."):
        load("c1c2c3c40", width=3)


def test_commands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`--set` for one spec, and for either side of a diff."""
    path = str(tmp_path / "family.yaml")
    Path(path).write_text(FAMILY)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["fieldspec", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    status, text = run("show", path, "--set", "width=8", "--set", "depth=8")
    assert (status, loads(text)) == (0, loads(FAMILY, width=8, depth=8))
    status, text = run("check", path, "--set", "width")
    assert (status, text) == (2, "error: --set: needs NAME=VALUE such as width=0.5, gets 'width'\n")
    assert run("diff", path, path, "--set", "width=5", "--set-before", "width=5")[0] == 0
    status, text = run("diff", path, path, "--set", "width=5", "--exit-code")
    assert status == 1
    assert text.splitlines()[0] == "family width=4 -> family width=5"
    assert "~ layers.conv1.out: 4 -> 5" in text


def test_timm() -> None:
    """A parameter is a keyword of `create_model`; another is still unknown."""
    net: Any = timm.create_model("fieldspec", spec=loads(FAMILY).to_dict(), width=6, num_classes=3)
    assert net.spec == loads(FAMILY, width=6)
    assert net.num_classes == 3
    with pytest.raises(TypeError, match="widht"):
        timm.create_model("fieldspec", spec=loads(FAMILY), widht=6)


@given(st.integers(0, 99), st.integers(1, 99), st.integers(1, 99), st.sampled_from("+-*/"), st.sampled_from("+-*/"))
def test_expressions_are_exact(a: int, b: int, c: int, first: str, second: str) -> None:
    """Python's own order of operations, on fractions."""
    expected = eval(f"Fraction(a) {first} Fraction(b) {second} Fraction(c)")
    assert Fraction(compute(f"{a} {first} $b {second} {c}", {"b": b}, set())).limit_denominator(10**6) == expected
    bracketed = eval(f"Fraction(a) {first} (Fraction(b) {second} Fraction(c) + 1000)")
    assert Fraction(compute(f"{a}{first}($b{second}{c}+1000)", {"b": b}, set())).limit_denominator(10**7) == bracketed


@given(st.fractions(-1000, 1000, max_denominator=99))
def test_floor_and_ceil(value: Fraction) -> None:
    """The whole numbers around a value; equal for a whole one."""
    below, above = (
        compute(f"{name}($a / $b)", dict(zip("ab", value.as_integer_ratio(), strict=True)), set())
        for name in ("floor", "ceil")
    )
    assert below <= value <= above
    assert above - below == (value.denominator > 1)
    with pytest.raises(FieldspecError, match="ceil takes one value"):
        compute("ceil($a, 2)", {"a": 3}, set())


@pytest.mark.parametrize(("value", "rounded"), [(1, 8), (12, 16), (11, 16), (24 * 0.35, 8), (144 * 0.75, 112)])
def test_round_to(value: float, rounded: int) -> None:
    """MobileNet's widths: the nearest multiple of eight, never more than a tenth below."""
    assert round_to(Fraction(str(value)), Fraction(8)) == rounded


assert fieldspec.timm_models  # imported for what it registers


OPTIONAL: dict[str, Any] = {
    "input": [3, 16, 16],
    "params": {"squeeze": {"default": None}, "stem": {"default": None}, "act": {"default": None}},
    "blocks": {
        "unit": {
            "params": {"out": "same", "squeeze": {"default": None}},
            "body": [{"conv": {"out": "$out", "act": "$act"}}, {"squeeze_excite": "$squeeze"}],
        }
    },
    "layers": ["$stem", {"conv": {"out": 8}}, {"unit": {"squeeze": "$squeeze"}}],
}


def test_a_parameter_of_null_leaves_out_what_it_stands_for() -> None:
    """A setting, an item, and the item whose settings it is; a value puts them in; null as a value takes them out."""
    plain = load(OPTIONAL)
    assert plain.params == {"squeeze": None, "stem": None, "act": None}
    layers = [{"conv": {"out": 8}}, {"chain": {"body": [{"conv": {"out": 8}}]}, "id": "unit1"}]
    assert plain == load({"input": [3, 16, 16], "layers": layers})
    full = load(OPTIONAL, squeeze={"hidden": 2}, stem={"conv": {"out": 4}}, act="silu")
    body = [{"conv": {"out": 8, "act": "silu"}}, {"squeeze_excite": {"hidden": 2}}]
    layers = [{"conv": {"out": 4}}, {"conv": {"out": 8}}, {"chain": {"body": body}, "id": "unit1"}]
    assert full == load({"input": [3, 16, 16], "layers": layers})
    assert load(full, squeeze=None, stem=None, act=None) == plain


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        (["$a"], "layers: are all left out, because their parameters are null. Set one of them"),
        ([{"conv": {"out": 8, "kernel": [3, "$a"]}}], r"gets \[3, nothing\]"),
        ([{"conv": {"out": "2*$a"}}], r"\$a is nothing, but '2\*\$a' needs a number"),
        ([{"conv": {"out": "$a"}}], "missing key 'out'"),
    ],
)
def test_where_null_cannot_be_left_out(layers: list[Any], reason: str) -> None:
    """Said as where nothing was written."""
    with pytest.raises(SpecError, match=reason):
        load({"input": [3, 8, 8], "params": {"a": {"default": None}}, "layers": layers})


def test_as_many_channels_as_there_are() -> None:
    """`out: same` is a number in the canonical form."""
    layers = [{"conv": {"out": "same"}}, {"residual": {"out": "same"}}, {"flatten": {}}, {"linear": {"out": "same"}}]
    spec = load({"input": [3, 4, 4], "layers": layers})
    assert [item.settings.get("out") for item in spec.items] == [3, 3, None, 48]
