"""A ledger as text, Markdown and plain data."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.analysis.report.text.formatting import markdown_table, text_table
from fieldspec.analysis.report.text.summary import axis_names
from fieldspec.blocks.formatting import side_text

if TYPE_CHECKING:
    from fieldspec.analysis.ledger.ledger import Entry, Ledger

COLUMNS = ("Layer", "Operation", "Field", "Adds", "Sees", "Params", "MACs", "Params/px", "MACs/px", "Padding", "Own")
LEGEND = (
    "Adds: pixels by which its field exceeds the widest one it reads; /px: cost per added pixel. Sees: fewest to most",
    "pixels of this image that a unit sees. Padding: share of the corner unit's window outside the image;",
    "Own: share of its taps in the layer's own padding.",
)


def text(ledger: Ledger) -> str:
    """The table as plain text, with remarks below."""
    table = text_table(_lines(ledger))
    return "\n".join([*table, "", *LEGEND, "", ledger.report.name, *[f"  {line}" for line in notes(ledger)], ""])


def markdown(ledger: Ledger) -> str:
    """A GitHub table, with remarks below."""
    table = markdown_table(_lines(ledger))
    return "\n".join([*table, "", " ".join(LEGEND), "", *[f"- {line}" for line in notes(ledger)], ""])


def notes(ledger: Ledger) -> list[str]:
    """Remarks, one per line: field, layers that add nothing, the rest, input sizes."""
    report, features = ledger.report, ledger.report.features
    params, macs = ledger.rest
    least = "at least " if report.macs_status == "at_least" else ""
    lines = []
    if features.field.axes:
        field, image = side_text(features.receptive_field), side_text(report.input[1:])
        lines.append(f"field {field} at {features.id} ({features.status}), image {image}")
    lines += [f"{name} adds nothing: all taps of a unit see the same part of this image" for name in ledger.idle]
    lines.append(f"{params:,} parameters and {least}{macs:,} multiply-adds do not contribute to {features.id}")
    return lines + _sizes(ledger)


def _sizes(ledger: Ledger) -> list[str]:
    sizes = ledger.input_sizes
    if sizes is None:
        return ["input sizes that run: unknown"]
    names = axis_names(ledger.report)
    alike = all(one == sizes[0] for one in sizes)
    lines = []
    for name, one in zip(names, sizes[:1] if alike else sizes, strict=not alike):
        what = "input sizes" if alike else f"{name}s"
        lines.append(f"{what} that run: {one.runs}")
        lines.append(f"{what} at which every pixel is read: {one.whole}")
    return lines


def plain(ledger: Ledger) -> dict[str, Any]:
    """Plain data; shares and costs are integers or text such as "5/9"."""
    report, sizes = ledger.report, ledger.input_sizes
    return {
        "schema": SCHEMA,
        "name": report.name,
        "input": list(report.input),
        "features": report.features.id,
        "rest": {"params": ledger.rest[0], "macs": ledger.rest[1]},
        "adds_nothing": ledger.idle,
        "input_sizes": None
        if sizes is None
        else [{"runs": one.runs.to_dict(), "whole": one.whole.to_dict()} for one in sizes],
        "entries": [_plain(entry) for entry in ledger.entries],
    }


def _plain(entry: Entry) -> dict[str, Any]:
    data = {
        "id": entry.layer.id,
        "receptive_field": entry.layer.receptive_field,
        "added": entry.added,
        "seen": entry.seen,
        "adds_nothing": entry.adds_nothing,
        "params": entry.params,
        "macs": entry.macs,
        "params_per_pixel": entry.params_per_pixel,
        "macs_per_pixel": entry.macs_per_pixel,
        "padding": entry.padding,
        "own_padding": entry.own_padding,
    }
    return {key: portable(value) for key, value in data.items()}


def _lines(ledger: Ledger) -> list[tuple[str, ...]]:
    return [COLUMNS, *[cells(entry) for entry in ledger.entries]]


def cells(entry: Entry) -> tuple[str, ...]:
    """Text of one layer's cells."""
    layer = entry.layer
    return (
        layer.id,
        operation(layer),
        side_text(layer.receptive_field) if layer.field.axes else "?",
        side_text(entry.added) if entry.added else "?",
        _ranges(entry.seen),
        f"{entry.params:,}",
        f"{entry.macs:,}",
        *["" if price is None else f"{float(price):,.0f}" for price in (entry.params_per_pixel, entry.macs_per_pixel)],
        *[_percent(share) for share in (entry.padding, entry.own_padding)],
    )


def _ranges(seen: tuple[tuple[int, int], ...]) -> str:
    texts = [str(least) if least == most else f"{least}-{most}" for least, most in seen]
    return texts[0] if len(set(texts)) == 1 else " x ".join(texts)


def _percent(share: Fraction) -> str:
    return f"{100 * float(share):.0f} %" if share else ""
