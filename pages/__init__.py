"""What a person looks at: the drawing of a network, pages, pictures. Names are loaded when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fieldspec.pages.drawing.svg import svg_of
    from fieldspec.pages.facts.exhibit import Exhibit
    from fieldspec.pages.page.page import page_of

_HOME = {"Exhibit": "facts.exhibit", "page_of": "page.page", "svg_of": "drawing.svg"}

__all__ = ["Exhibit", "page_of", "svg_of"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
