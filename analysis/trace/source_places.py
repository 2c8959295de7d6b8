"""Where in the network's own source an operation is called."""

from __future__ import annotations

import os
import sys

import torch

HERE = os.path.dirname(__file__)
ENTRY = os.path.join(HERE, "traced_module.py")  # which calls the network
ASIDE = (os.path.join(HERE, ""), os.path.join(os.path.dirname(torch.__file__), ""), "<")


def place_in_source() -> str:
    """file:line of the nearest caller in the network that is neither torch's nor the tracer's, of a package's from its
    name on; nothing where the network is torch's own modules.
    """
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != ENTRY:
        path = frame.f_code.co_filename
        if not path.startswith(ASIDE):
            return f"{path.rpartition('site-packages/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]  # ends with None
    return ""
