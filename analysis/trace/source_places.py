"""Finds where in the network's own source an operation is called."""

from __future__ import annotations

import os
import sys

import torch

HERE = os.path.dirname(__file__)
ENTRY = os.path.join(HERE, "traced_module.py")  # the module that calls the network
ASIDE = (os.path.join(HERE, ""), os.path.join(os.path.dirname(torch.__file__), ""), "<")


def place_in_source() -> str:
    """file:line of the nearest caller that belongs neither to torch nor to the tracer; for installed packages relative
    to site-packages; empty if the network consists of torch's own modules.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != ENTRY:
        path = frame.f_code.co_filename
        if not path.startswith(ASIDE):
            return f"{path.rpartition('site-packages/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    return ""
