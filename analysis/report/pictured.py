"""Plots and notebook views of reports.

The pages are the top layer. This is the only module below them that refers to them, and only by name: they are imported
on first use, and everything below works without them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


PAGES = "fieldspec.pages"


def view(name: str) -> Callable[..., Any]:
    """A function of `fieldspec.pages`.

    Example:
        >>> view("svg_of").__module__
        'fieldspec.pages.drawing.svg'
    """
    found: Callable[..., Any] = getattr(import_module(PAGES), name)
    return found


def shown(name: str, it: Any) -> str | None:
    """HTML for a notebook; None, which makes it print the text instead, if jinja2 is not installed."""
    return str(view(name)(it)) if find_spec("jinja2") is not None else None


class Pictured:
    """Plots as Matplotlib figures (`savefig` writes SVG, PDF or PNG), and HTML for notebooks."""

    def plot_architecture(self, *, all_open: bool = False) -> Figure:
        """Plot the network as boxes with branches side by side; `all_open` opens every block."""
        figure: Figure = view("plot_architecture")(self, all_open=all_open)
        return figure

    def plot_receptive_field(
        self,
        image: str | os.PathLike[str] | None = None,
        *,
        layer: str | None = None,
        unit: Sequence[int] | None = None,
    ) -> Figure:
        """Plot a unit's window over an image; by default the middle unit of the features over a drawn picture."""
        figure: Figure = view("plot_receptive_field")(self, image, layer=layer, unit=unit)
        return figure

    def plot_growth(self) -> Figure:
        """Plot the field and the multiply-adds of every layer, in execution order."""
        figure: Figure = view("plot_growth")(self)
        return figure

    def plot_memory(self) -> Figure:
        """Plot the live activations at every layer, with the peak labeled."""
        figure: Figure = view("plot_memory")(self)
        return figure

    def _repr_html_(self) -> str | None:
        return shown("report_html", self)
