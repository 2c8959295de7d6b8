"""The trade-off between RAM and multiply-adds of patch-based execution, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fieldspec.analysis.inference.lowering.lower import written_out
from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.analysis.inference.patches.patching import Patching, patchings
from fieldspec.analysis.inference.planning import live_peak
from fieldspec.blocks.formatting import size_text


@dataclass(frozen=True)
class PatchTable:
    """The Pareto-optimal ways of running the first operators in patches, for RAM and multiply-adds."""

    lowered: Lowered = field(repr=False)

    @cached_property
    def rows(self) -> list[Patching]:
        """Least RAM first; empty if patches do not need less than the whole network."""
        found: list[Patching] = []
        for patching in patchings(written_out(self.lowered)):  # ordered by RAM before planning
            if not found or patching.size > found[-1].size:
                found.append(patching)
        return [patching for patching in found if patching.size < live_peak(self.lowered)]

    def to_dict(self) -> list[dict[str, Any]]:
        """Plain data, one dict per row."""
        return [
            {
                "up_to": row.last,
                "grid": list(row.grid),
                "sram": row.size,
                "held": row.cut.held,
                "arena": row.arena,
                "rest": row.rest,
                "macs": row.macs,
            }
            for row in self.rows
        ]

    def to_text(self) -> str:
        """One row per option, and the whole network in the last line."""
        whole = self.lowered.macs
        if not self.rows:
            return "Patches: none needs less than the network as a whole"
        lines = [
            "Patches on tflm (int8): layers up to the named one run per patch; "
            "the image and that layer's map lie outside the arena",
            f"{'RAM':>11}  {'MULTIPLY-ADDS':>15}  {'MORE':>7}  {'PATCHES':>7}  UP TO",
        ]
        for row in self.rows:
            more = f"{100 * (row.macs / row.lowered.macs - 1):.1f} %"
            lines.append(f"{row.size:>11,}  {row.macs:>15,}  {more:>7}  {size_text(row.grid):>7}  {row.last}")
        return "\n".join([*lines, f"{live_peak(self.lowered):>11,}  {whole:>15,}  {'':>7}  {'':>7}  (as a whole)"])

    def to_markdown(self) -> str:
        """The same as a code block."""
        return f"```\n{self.to_text()}\n```"
