"""A matplotlib figure that notebooks display even if pyplot is not loaded."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


class Picture(Figure):
    """A figure with a PNG representation for notebooks; `savefig` writes SVG, PDF and other formats."""

    def _repr_png_(self) -> bytes:
        out = io.BytesIO()
        self.savefig(out, format="png", dpi=100)
        return out.getvalue()
