"""The readings that `analyze` adds to a report, and their output."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

from fieldspec.analysis.report.plain_data import SCHEMA
from fieldspec.analysis.report.report import Report

if TYPE_CHECKING:
    from fieldspec.analysis.effective.effective_field import EffectiveField
    from fieldspec.analysis.inference.engine import EngineReport
    from fieldspec.analysis.inference.patches.table import PatchTable
    from fieldspec.analysis.ledger.ledger import Ledger
    from fieldspec.analysis.promise.promise import Promise
    from fieldspec.analysis.sizes.tiling import Tiling

Extra: TypeAlias = "Ledger | EffectiveField | Promise | Tiling | EngineReport | PatchTable"


def extras(
    report: Report,
    *,
    ledger: bool = False,
    effective: bool = False,
    picture: str | os.PathLike[str] | None = None,
    promise: bool = False,
    tile: int | None = None,
    engine: str | None = None,
    patches: bool = False,
) -> dict[str, Extra]:
    """Compute the requested readings, by JSON key, and write the plot of the effective field."""
    found: dict[str, Extra] = {}
    if ledger:
        from fieldspec.analysis.ledger.ledger import ledger_of

        found["ledger"] = ledger_of(report)
    if effective or picture is not None:
        from fieldspec.analysis.effective.effective_field import effective_receptive_field

        found["effective"] = prior = effective_receptive_field(report)
        if picture is not None:
            from fieldspec.analysis.effective.pictures import plot_effective_field

            plot_effective_field(picture, prior)
    if promise:
        from fieldspec.analysis.promise.promise import Promise

        found["promise"] = Promise.of(report)
    if tile is not None:
        from fieldspec.analysis.sizes.tiling import tile_plan

        found["tiling"] = tile_plan(report, tile)
    if engine is not None or patches:
        from fieldspec.analysis.inference.engine import engine_report

        on_engine = engine_report(report.graph, engine or "tflm")
        if engine is not None:
            found["engine"] = on_engine
        if patches:
            from fieldspec.analysis.inference.patches.table import PatchTable

            found["patches"] = PatchTable(on_engine.lowered)
    return found


def printed(name: str, found: Mapping[str, Extra], form: Literal["text", "markdown", "json"]) -> str:
    """Print all readings as text, or as JSON by key."""
    if form == "json":
        plain = {key: one.to_dict() for key, one in found.items()}
        return json.dumps({"schema": SCHEMA, "name": name} | plain, indent=2)
    return "\n".join(one.to_text() if form == "text" else one.to_markdown() for one in found.values()).rstrip()
