"""The readings that `analyze` adds to a report, and how they are printed."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Literal

from fieldspec.analysis.effective.effective_field import EffectiveField, effective_receptive_field
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.analysis.ledger.ledger import Ledger, ledger_of
from fieldspec.analysis.report.plain_data import SCHEMA
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.sizes.tiling import Tiling, tile_plan

Extra = Ledger | EffectiveField | Tiling | EngineReport
KEYS: dict[type[Extra], str] = {
    Ledger: "ledger", EffectiveField: "effective", Tiling: "tiling", EngineReport: "engine"
}  # fmt: skip


def extras(
    report: Report,
    *,
    ledger: bool = False,
    effective: bool = False,
    picture: str | os.PathLike[str] | None = None,
    tile: int | None = None,
    engine: str | None = None,
) -> list[Extra]:
    """The requested readings; also writes the picture of the effective field."""
    found: list[Extra] = []
    if ledger:
        found.append(ledger_of(report))
    if effective or picture is not None:
        prior = effective_receptive_field(report)
        found.append(prior)
        if picture is not None:
            from fieldspec.analysis.effective.pictures import plot_effective_field

            plot_effective_field(picture, prior)
    if tile is not None:
        found.append(tile_plan(report, tile))
    if engine is not None:
        found.append(engine_report(report.graph, engine))
    return found


def printed(name: str, found: Sequence[Extra], form: Literal["text", "markdown", "json"]) -> str:
    """All of them as one text; in JSON, each under its key."""
    if form == "json":
        return json.dumps(
            {"schema": SCHEMA, "name": name} | {KEYS[type(one)]: one.to_dict() for one in found}, indent=2
        )
    return "\n".join(one.to_text() if form == "text" else one.to_markdown() for one in found).rstrip()
