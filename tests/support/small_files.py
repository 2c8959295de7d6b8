"""A small spec, and files of specs in the current folder."""

from __future__ import annotations

from pathlib import Path

SMALL = "input: [3, 32, 32]\nlayers: [{conv: {out: 8}}]\nhead: {classes: 2}\n"


def written(text: str, name: str = "net.yaml") -> str:
    """A file in the current folder."""
    Path(name).write_text(text, encoding="utf-8")
    return name
