"""How what is analyzed looks: pictures, and what a notebook shows.

The pages stand above all other floors. This is the one place below that knows of them, and by name only: they are
loaded when somebody looks, and the floors below work without them.
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
    """A function of the pages.

    Example:
        >>> view("svg_of").__module__
        'fieldspec.pages.drawing.svg'
    """
    found: Callable[..., Any] = getattr(import_module(PAGES), name)
    return found


def shown(name: str, it: Any) -> str | None:
    """What a notebook shows of it; None, so that it prints the text instead, where jinja2 is not installed."""
    return str(view(name)(it)) if find_spec("jinja2") is not None else None


class Pictured:
    """Matplotlib figures, which `savefig` writes as SVG, PDF or PNG, and HTML."""

    def plot_architecture(self, *, all_open: bool = False) -> Figure:
        """The network as boxes, branches side by side; `all_open` opens every block."""
        figure: Figure = view("plot_architecture")(self, all_open=all_open)
        return figure

    def plot_receptive_field(
        self,
        image: str | os.PathLike[str] | None = None,
        *,
        layer: str | None = None,
        unit: Sequence[int] | None = None,
    ) -> Figure:
        """The window of a unit over an image, by default of the middle unit of the features over a drawn picture."""
        figure: Figure = view("plot_receptive_field")(self, image, layer=layer, unit=unit)
        return figure

    def plot_growth(self) -> Figure:
        """Field and multiply-adds of every layer, in the order they run."""
        figure: Figure = view("plot_growth")(self)
        return figure

    def plot_memory(self) -> Figure:
        """Live activations at every layer, with the peak named."""
        figure: Figure = view("plot_memory")(self)
        return figure

    def _repr_html_(self) -> str | None:
        return shown("report_html", self)
