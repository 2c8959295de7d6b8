"""Hypothesis strategies for whole spec documents: every one of them loads.

They are built constructively: each step knows where it has come to (channels, map size, jump), so that branches
which meet have equal shapes and jumps by construction and hardly a draw is thrown away.
"""

from __future__ import annotations

from strategies.family import c1c2c3c40_family
from strategies.specs import specs

__all__ = ["c1c2c3c40_family", "specs"]
