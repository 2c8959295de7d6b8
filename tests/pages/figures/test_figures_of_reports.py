"""Pictures of a report: what they show is the report's, in every format."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch, Rectangle

from fieldspec.analysis.report.report import Report
from fieldspec.architectures.readings.reports import analyze
from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.drawing.diagram import diagram_of


@pytest.fixture(scope="module")
def report() -> Report:
    """Of a network with branches and dilation, whose name would be mathematics to matplotlib."""
    branches = [[{"conv": {"out": 8}}], [{"conv": {"out": 8, "dilation": 2}}]]
    layers = [{"conv": {"out": 8, "kernel": 1}}, {"parallel": {"merge": "concat", "branches": branches}}]
    last = {"conv": {"out": 8, "dilation": 4, "padding": 4}, "id": "d4"}
    return analyze({"name": "a_b", "input": [3, 32, 32], "layers": [*layers, last]})


def test_the_architecture(report: Report) -> None:
    """A box for each layer and one for each frame."""
    figure = report.plot_architecture(all_open=True)
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    diagram = diagram_of(report)
    assert len(boxes) == 2 * len(diagram.leaves) + len(diagram.blocks) - 1
    words = [text.get_text() for text in figure.axes[0].texts]
    assert "conv 3×3 dilated 4" in words


def test_the_receptive_field(report: Report) -> None:
    """The window's frame stands at `start`, and exactly the pixels that are read are bright."""
    layer = report["d4.conv"]
    figure = report.plot_receptive_field(layer="d4.conv", unit=(16, 9))
    (axes,) = figure.axes
    frame = next(patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert frame.get_xy() == (layer.start[1] + 9 - 0.5, layer.start[0] + 16 - 0.5)
    assert (frame.get_width(), frame.get_height()) == layer.receptive_field
    shown = np.asarray(axes.images[0].get_array())
    window = layer.field.axes[0]
    rows, columns = window.unit(16).pixels(), [pixel for pixel in window.unit(9).pixels() if 0 <= pixel < 32]
    assert (shown[np.ix_(rows, columns)] > 0.36).any(2).all()
    with pytest.raises(FieldspecError, match="no layer 'd5'"):
        report.plot_receptive_field(layer="d5")


def test_growth_and_memory(report: Report) -> None:
    """As many bars as boxes, and the peak of the report."""
    bars = report.plot_growth().axes[0].patches
    assert len(bars) == len(diagram_of(report).leaves)
    peak = report.plot_memory().axes[0].lines[-1]
    assert list(map(float, np.asarray(peak.get_ydata()))) == [report.peak_bytes()]


@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_formats(report: Report, tmp_path: Path, suffix: str) -> None:
    """All four pictures, written; a dollar in a name is no mathematics."""
    named = replace(report, name="$x_{$")
    for figure in (named.plot_architecture(), named.plot_receptive_field(), named.plot_growth(), named.plot_memory()):
        figure.savefig(tmp_path / f"picture.{suffix}")
        assert (tmp_path / f"picture.{suffix}").stat().st_size > 1000


def test_vectors_have_no_window() -> None:
    """A layer without a window over rows and columns says so."""
    report = analyze("c1c2c3c40")
    with pytest.raises(FieldspecError, match=r"head\.fc: has no window over rows and columns"):
        report.plot_receptive_field(layer="head.fc")
