"""A report as a table: plain text, Markdown, CSV, or rich for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.text.formatting import LEFT_COLUMNS, markdown_table, text_table
from fieldspec.analysis.report.text.summary import axis_names, macs_text, notes, summary
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.blocks.layers import (
    Activation,
    ChannelScale,
    Constant,
    Copy,
    Dropout,
    DropPath,
    Expand,
    Flatten,
    Identity,
    Input,
    Normalization,
    Pad,
    PadChannels,
    Pointwise,
    SelectChannels,
    Slice,
    Unflatten,
)

if TYPE_CHECKING:
    from rich.table import Table

    from fieldspec.analysis.report.layer_report import CountStatus, LayerReport
    from fieldspec.analysis.report.report import Report

FOLDED = (  # folded into the row of the layer before them
    *(Activation, Normalization, Dropout, DropPath, Flatten, Identity, ChannelScale),
    *(Constant, Copy, Expand, Pad, PadChannels, Pointwise, SelectChannels, Slice, Unflatten),  # in traced modules
)
COLUMNS = ("Layer", "Operation", "Output", "Field", "Jump", "Center", "Params", "MACs")
CSV_MEASURES = ("receptive_field", "jump", "start", "center", "pixels_read")
CSV_COSTS = ("params", "trainable_params", "buffers", "macs", "macs_status", "other_ops", "live_elements")
MARKS = {"exact": "", "whole_input": " *", "bound": " (bound)", "unknown": ""}


@dataclass(slots=True)
class Row:
    """One row of a table: a layer, with the costs of the layers folded into it."""

    layer: LayerReport
    params: int
    macs: int
    macs_status: CountStatus

    def fold(self, layer: LayerReport) -> None:
        """Add the costs of a layer that has no row of its own."""
        self.params += layer.params
        self.macs += layer.macs
        self.macs_status = "at_least" if layer.uncounted else self.macs_status


def rows(report: Report, *, all_layers: bool = False) -> list[Row]:
    """One row per convolution, pooling, linear layer and merge, with activations, norms and dropout folded in.

    Layers before the first of these are folded into it.
    """
    found: list[Row] = []
    before: list[LayerReport] = []
    for layer in report.layers:
        if isinstance(layer.layer, Input):
            continue
        if all_layers or not isinstance(layer.layer, FOLDED):
            found.append(Row(layer, layer.params, layer.macs, layer.macs_status))
            for one in before:
                found[-1].fold(one)
            before = []
        elif found:
            found[-1].fold(layer)
        else:
            before.append(layer)
    return found


def text(report: Report, *, all_layers: bool = False) -> str:
    """The table as plain text, followed by the totals, one per line."""
    table = text_table(_lines(report, all_layers))
    return "\n".join([*table, "", report.name, *[f"  {part}" for part in [*summary(report), *notes(report)]], ""])


def markdown(report: Report, *, all_layers: bool = False) -> str:
    """A GitHub table below a line of totals."""
    title = f"**{report.name}**: {' · '.join(summary(report))}"
    table = markdown_table(_lines(report, all_layers))
    return "\n".join([title, "", *table, "", *notes(report)]).rstrip() + "\n"


def rich_table(report: Report, *, all_layers: bool = False) -> Table:
    """The same table for a terminal, by rich."""
    from rich.table import Table
    from rich.text import Text

    caption = "\n".join([*summary(report), *notes(report)])
    table = Table(title=report.name, caption=caption, title_justify="left", caption_justify="left")
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if i < LEFT_COLUMNS else "right", no_wrap=i != 1, overflow="fold")
    for row in rows(report, all_layers=all_layers):
        table.add_row(*[Text(cell) for cell in cells(row)])
    return table


def _lines(report: Report, all_layers: bool) -> list[Sequence[str]]:
    return [COLUMNS, *[cells(row) for row in rows(report, all_layers=all_layers)]]


def cells(row: Row) -> list[str]:
    """Text of one row's cells."""
    layer = row.layer
    known = bool(layer.field.axes)
    mark = MARKS[layer.status] if layer.field.has_position or layer.status != "whole_input" else ""
    return [
        layer.id,
        operation(layer),
        side_text(layer.shape),
        side_text(layer.receptive_field) + mark if known else "unknown",
        side_text(layer.jump) if known else "",
        side_text(layer.center) if known else "",
        f"{row.params:,}",
        macs_text(row),
    ]


def csv_text(report: Report) -> str:
    """One line per layer, nothing folded, so that columns add up; sizes have one column per axis."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [f"{measure}_{axis}" for measure in CSV_MEASURES for axis in axis_names(report)]
    writer.writerow(["id", "kind", "shape", *names, "status", "global_since", *CSV_COSTS])
    for layer in report.layers[1:]:
        numbers = [value for measure in CSV_MEASURES for value in getattr(layer, measure)] or [""] * len(names)
        numbers += [layer.status, layer.global_since or "", *[getattr(layer, cost) for cost in CSV_COSTS]]
        writer.writerow([layer.id, layer.kind, size_text(layer.shape), *numbers])
    return out.getvalue()
