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
    status, text = run("diff", path, path, "--set", "width=5")
    assert status == 1
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


@pytest.mark.parametrize(("value", "rounded"), [(1, 8), (12, 16), (11, 16), (24 * 0.35, 8), (144 * 0.75, 112)])
def test_round_to(value: float, rounded: int) -> None:
    """MobileNet's widths: the nearest multiple of eight, never more than a tenth below."""
    assert round_to(Fraction(str(value)), Fraction(8)) == rounded


assert fieldspec.timm_models  # imported for what it registers
