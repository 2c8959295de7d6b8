"""A matplotlib figure that a notebook shows, whether or not pyplot is loaded."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure with its PNG for notebooks; `savefig` writes it as SVG, PDF and more."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()
