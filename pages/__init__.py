"""Visualization: drawings of networks, HTML pages, figures, notebooks. Names are imported lazily."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from fieldspec.blocks.errors import FieldspecError
from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.pages.drawing.svg import svg_of
    from fieldspec.pages.facts.exhibit import Exhibit
    from fieldspec.pages.figures.architecture import plot_architecture
    from fieldspec.pages.figures.plots import plot_growth, plot_memory, plot_receptive_field
    from fieldspec.pages.notebook.snippets import diff_html, network_html, report_html, spec_html
    from fieldspec.pages.page.page import page_of

_HOME = {
    "Exhibit": "facts.exhibit",
    "diff_html": "notebook.snippets",
    "network_html": "notebook.snippets",
    "page_of": "page.page",
    "plot_architecture": "figures.architecture",
    "plot_growth": "figures.plots",
    "plot_memory": "figures.plots",
    "plot_receptive_field": "figures.plots",
    "report_html": "notebook.snippets",
    "spec_html": "notebook.snippets",
    "svg_of": "drawing.svg",
}

__all__ = [
    "Exhibit",
    "diff_html",
    "network_html",
    "page_of",
    "plot_architecture",
    "plot_growth",
    "plot_memory",
    "plot_receptive_field",
    "report_html",
    "spec_html",
    "svg_of",
]

_find = lazily(__name__, _HOME)


def __getattr__(name: str) -> object:
    if name in _HOME and name.startswith("plot_") and find_spec("matplotlib") is None:
        raise FieldspecError("figures need matplotlib: pip install 'fieldspec[report]'")
    return _find(name)
