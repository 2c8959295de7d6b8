"""What a notebook shows: totals, drawing and table, escaped, without script."""

from __future__ import annotations

import base64
import re
from dataclasses import replace

import pytest

from fieldspec.analysis.report import pictured
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.readings.comparison import diff
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.spec import load


def test_reports_specs_and_networks() -> None:
    """Each with the totals, a drawing and a row for each layer; a spec with its text, a network with its modules."""
    spec = load("c1c2c3c40")
    shown = [one._repr_html_() for one in (analyze(spec), spec, build(spec))]
    for text in shown:
        assert text is not None
        assert "178,178 parameters" in text
        assert text.count("<tr>") == 25
        assert "<script" not in text
        drawing = re.search(r"svg\+xml;base64,([^\"]+)", text)
        assert drawing
        assert base64.b64decode(drawing[1]).startswith(b"<svg ")
    assert "holds receptive_field: needs &gt; 44, has 47" in str(shown[1])
    assert "SpecNet(" in str(shown[2])


def test_differences() -> None:
    """A row for each change, before and after; equal specs say so."""
    text = diff("c1c2c3c40", "c1c2c3c40_wide")._repr_html_()
    assert text is not None
    assert re.search(r"<td>~</td><td[^>]*>params</td><td[^>]*>178178</td><td[^>]*>\d+</td>", text)
    assert "<p>equal</p>" in str(diff("c1c2c3c40", "c1c2c3c40")._repr_html_())


def test_names_are_text() -> None:
    """Whatever is in them."""
    report = analyze("c1c2c3c40")
    named = replace(report, name="<b onclick=x>")
    assert "<b onclick" not in str(named._repr_html_())


def test_without_jinja2_there_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """None makes a notebook print what `repr` says."""
    monkeypatch.setattr(pictured, "find_spec", lambda name: None)
    assert analyze("c1c2c3c40")._repr_html_() is None
