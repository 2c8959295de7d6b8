"""Measures of a network on an engine: flash and the kinds of RAM."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from fieldspec.analysis.inference.kinds import SRAM
from fieldspec.analysis.report.report import Report

if TYPE_CHECKING:
    from fieldspec.analysis.inference.engine import EngineReport


def flash(report: Report) -> int | None:
    """Bytes of weights, biases and quantization parameters in int8; None if LiteRT-Micro cannot run the network."""
    return _number(report, lambda engine: engine.flash)


def _sram(kind: str, report: Report) -> int | None:
    return _number(report, lambda engine: engine.sram(kind))


def _number(report: Report, number: Callable[[EngineReport], int | None]) -> int | None:
    from fieldspec.analysis.inference.engine import engine_report  # imported only if needed
    from fieldspec.analysis.inference.lowering.operators import EngineError

    try:
        return number(engine_report(report.graph))
    except EngineError:
        return None


ENGINE_MEASURES: dict[str, Callable[[Report], int | None]] = {
    "flash": flash,
    **{f"sram.{kind}": partial(_sram, kind) for kind in SRAM},
}


def obstacle(report: Report) -> str:
    """Why there is no number: LiteRT-Micro cannot run the network, or patches would not help it."""
    from fieldspec.analysis.inference.engine import engine_report
    from fieldspec.analysis.inference.lowering.operators import EngineError

    try:
        engine_report(report.graph)
    except EngineError as error:
        return str(error)
    return "patches would not need less than the network as a whole"
