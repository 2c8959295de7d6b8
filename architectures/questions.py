"""What one asks of a spec: its report, its broken constraints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fieldspec.analysis.report import Report, report_of
from fieldspec.architectures.constraints import Verdict, judge
from fieldspec.architectures.spec import ArchitectureSpec, load

SpecLike = ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any]


def analyze(spec: SpecLike) -> Report:
    """Parameters, multiply-adds, memory and receptive field of every layer, without building anything.

    Args:
        spec: A loaded spec, a catalogue name, the path of a file, or plain data.

    Raises:
        SpecError: The spec cannot be used.
    Example:
        >>> report = analyze("c1c2c3c40")
        >>> report.params, report.macs, report.features.receptive_field
        (178178, 21766440, (47, 47))
    """
    loaded = load(spec)
    return report_of(loaded.graph(), loaded.name)


def check(spec: SpecLike) -> list[Verdict]:
    """The constraints that a spec breaks; empty when all hold.

    Example:
        >>> [str(verdict) for verdict in check({"input": [3, 32, 32], "layers": [{"conv": {"out": 8}}],
        ...                                     "constraints": {"receptive_field": "> 44"}})]
        ['receptive_field: needs > 44, has 3']
    """
    loaded = load(spec)
    return [verdict for verdict in judge(loaded.constraints, analyze(loaded)) if not verdict.holds]
