"""Broken specs by subject: what is broken, the text, and the lines in which it is refused, the file's name left out.

A message is read before it is put here.
"""

from __future__ import annotations

from broken import (
    bodies,
    constraints,
    document,
    items,
    parameters,
    settings,
    shapes,
    wiring,
)

SUBJECTS = (document, items, settings, shapes, wiring, bodies, parameters, constraints)
BROKEN = {name: broken for subject in SUBJECTS for name, broken in subject.BROKEN.items()}
