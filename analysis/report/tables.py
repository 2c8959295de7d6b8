"""A report as text: Markdown, CSV, plain data, and a table for a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fieldspec.blocks.layers import (
    Activation,
    Constant,
    Copy,
    Dropout,
    DropPath,
    Elementwise,
    Expand,
    Flatten,
    Identity,
    Input,
    Mix,
    Normalization,
    Opaque,
    Pad,
    Pointwise,
    Pool,
    Resize,
    SelectChannels,
    Slice,
    Unflatten,
)
from fieldspec.blocks.layers.convolution import Conv, ConvTranspose, Sides, Sizes
from fieldspec.blocks.layers.pooling import AdaptivePool, GlobalPool

if TYPE_CHECKING:
    from rich.table import Table

    from fieldspec.analysis.report.report import LayerReport, Report

SCHEMA = 2  # 2: `live_elements` and `pixels_read` for `live` and `touched`
MOST_OPAQUE = 5  # operations that are not followed, in the notes
FOLDED = (  # shown with the layer before them
    *(Activation, Normalization, Dropout, DropPath, Flatten, Identity),
    *(Constant, Copy, Expand, Pad, Pointwise, SelectChannels, Slice, Unflatten),  # of traced modules
)
COLUMNS = ("Layer", "Operation", "Output", "Field", "Jump", "Center", "Params", "MACs")


@dataclass(slots=True)
class Row:
    """One line of a table: a layer, with the costs of those folded into it."""

    layer: LayerReport
    params: int
    macs: int


def rows(report: Report, *, all_layers: bool = False) -> list[Row]:
    """One row for each convolution, pooling, linear layer and merge, activation, norm and dropout folded in.

    What stands before the first of them is folded into it.
    """
    found: list[Row] = []
    before = 0
    for layer in report.layers:
        if isinstance(layer.layer, Input):
            continue
        if all_layers or not isinstance(layer.layer, FOLDED):
            found.append(Row(layer, layer.params + before, layer.macs))
            before = 0
        elif found:
            found[-1].params += layer.params
        else:
            before += layer.params
    return found


def markdown(report: Report, *, all_layers: bool = False) -> str:
    """A GitHub table under a line of totals; numbers are aligned for reading as plain text too."""
    lines = _grid(report, all_layers)
    widths = [len(cell) for cell in lines[0]]
    rule = ["-" * width if i < 2 else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
    table = [f"| {' | '.join(line)} |" for line in [lines[0], rule, *lines[1:]]]
    title = f"**{report.name}**: {' · '.join(summary(report))}"
    return "\n".join([title, "", *table, "", *notes(report)]).rstrip() + "\n"


def text(report: Report, *, all_layers: bool = False) -> str:
    """The table in plain columns, and the totals below it, a line each."""
    lines = _grid(report, all_layers)
    rule = ["-" * len(cell) for cell in lines[0]]
    table = ["  ".join(line).rstrip() for line in [lines[0], rule, *lines[1:]]]
    return "\n".join([*table, "", report.name, *[f"  {part}" for part in [*summary(report), *notes(report)]], ""])


def _grid(report: Report, all_layers: bool) -> list[list[str]]:
    """The column titles and all cells, padded to one width a column."""
    lines = [COLUMNS, *[_cells(row) for row in rows(report, all_layers=all_layers)]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return [
        [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def summary(report: Report) -> list[str]:
    """The totals, a part each."""
    features = report.features
    field = by(features.receptive_field) if features.field.axes else "unknown"
    jump = f" at jump {by(features.jump)}" if features.field.axes else ""
    return [
        f"input {by(report.input)}",
        f"receptive field {field}{jump} at {features.id} ({features.status})",
        f"{report.params:,} parameters{_frozen(report)}, {report.buffers:,} buffer elements, "
        f"{report.weight_bytes():,} bytes of weights",
        f"{report.macs:,} multiply-adds",
        f"{report.peak_bytes():,} bytes of activations at {report.peak_layer} (float32, inference)",
    ]


def _frozen(report: Report) -> str:
    """How many of the parameters train, where not all do."""
    return "" if report.trainable_params == report.params else f" ({report.trainable_params:,} trainable)"


def notes(report: Report) -> list[str]:
    """What the numbers alone do not say: whole-input operations, holes, misaligned branches."""
    lines = []
    for layer in report.layers[1:]:
        if isinstance(layer.layer, Input) and layer.status == "unknown":
            size = by(layer.shape[1:])
            lines.append(f"{layer.id} is {size}, another size than the image's; what depends on it is unknown.")
    opaque = [
        (layer.id, layer.layer)
        for layer in report.layers  # the first causes: not what only follows from one
        if isinstance(layer.layer, Opaque) and all(report.layers[i].status != "unknown" for i in layer.inputs)
    ]
    for named, it in opaque[:MOST_OPAQUE]:
        where = f" at {it.place}" if it.place else ""
        lines.append(f"{named}: {it.operation}{where} is not followed ({it.reason}); what depends on it is unknown.")
    if len(opaque) > MOST_OPAQUE:
        lines.append(f"... and {len(opaque) - MOST_OPAQUE} more operations that are not followed.")
    if report.unread:
        names = ", ".join(report.unread[:3]) + (", ..." if len(report.unread) > 3 else "")
        lines.append(f"{len(report.unread)} weights are never read and not counted: {names}")
    since = report.features.global_since
    if since:
        lines.append(f"* From {since} on units also see beyond these fields, up to the whole input.")
    for layer in report.layers:
        if layer.field.axes and layer.pixels_read != layer.receptive_field:
            reads, span = by(layer.pixels_read), by(layer.receptive_field)
            lines.append(f"{layer.id} is the first with holes: it reads {reads} of its {span} pixels.")
            break
    return [*lines, *map(str, report.misalignments)]


def _cells(row: Row) -> list[str]:
    layer = row.layer
    known = bool(layer.field.axes)
    mark = {"exact": "", "whole_input": " *" if layer.field.has_position else "", "bound": " (bound)", "unknown": ""}
    return [
        layer.id,
        operation(layer),
        by(layer.shape),
        by(layer.receptive_field) + mark[layer.status] if known else "unknown",
        by(layer.jump) if known else "",
        by(layer.center) if known else "",
        f"{row.params:,}",
        f"{row.macs:,}",
    ]


def operation(layer: LayerReport) -> str:
    """A layer in a few words: `conv 3x3 stride 2 padding 1`."""
    kind, it = layer.kind, layer.layer
    match it:
        case Conv() | ConvTranspose():
            words = [kind, "x".join(map(str, it.kernel_size))]
            words += _unless("stride", it.stride, 1) + _unless("dilation", it.dilation, 1)
            if max(it.kernel_size, default=1) > 1:
                words.append(f"padding {_padding(it.padding)}")
            if it.groups > 1:
                words.append("depthwise" if it.groups == it.in_channels else f"groups {it.groups}")
            return " ".join(words)
        case Pool():
            words = [f"{it.type} pool", "x".join(map(str, it.kernel_size))]
            words += _unless("stride", it.stride, 1) + _unless("padding", it.padding, 0)
            words += _unless("dilation", (it.dilation,), 1)
            return " ".join([*words, "ceil"] if it.ceil_mode else words)
        case AdaptivePool():
            return f"adaptive {it.type} pool to {'x'.join(map(str, it.output_size))}"
        case GlobalPool():
            return f"global {it.type} pool"
        case Resize():
            to = f"x{by(it.factor)}" if it.factor else f"to {'x'.join(map(str, it.size or ()))}"
            return f"{it.mode} resize {to}"
        case Activation():
            return it.function
        case Normalization():
            return type(it).__name__
        case Pointwise() | Mix() | Elementwise():
            return it.function
        case Opaque():
            return f"{it.operation} (not followed)"
    return kind


def _unless(word: str, value: Sequence[int], plain: int) -> list[str]:
    return [] if set(value) == {plain} else [f"{word} {by(value)}"]


def _padding(padding: Sides | Sizes) -> str:
    axes = [axis if isinstance(axis, int) or axis[0] != axis[1] else axis[0] for axis in padding]
    if all(isinstance(axis, int) for axis in axes):
        return by(axes)  # type: ignore[arg-type]  # all of them are numbers
    return str([list(axis) if isinstance(axis, tuple) else axis for axis in axes]).replace(" ", "")


def by(numbers: Iterable[int | Fraction]) -> str:
    """`47` for a square, `3x5` otherwise; one or three numbers always apart."""
    values = list(numbers)
    return str(values[0]) if len(values) == 2 and values[0] == values[1] else "x".join(map(str, values))


def csv_text(report: Report) -> str:
    """One line a layer, nothing folded, so that columns add up; a column an axis where the axes may differ."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    axes = ("depth", "height", "width")[4 - len(report.input) :]
    measures = ("receptive_field", "jump", "start", "center", "pixels_read")
    names = [f"{measure}_{axis}" for measure in measures for axis in axes]
    costs = ["params", "trainable_params", "buffers", "macs", "other_ops", "live_elements"]
    writer.writerow(["id", "kind", "shape", *names, "status", "global_since", *costs])
    for layer in report.layers[1:]:
        numbers = [value for measure in measures for value in getattr(layer, measure)] or [""] * len(names)
        numbers += [layer.status, layer.global_since or "", *[getattr(layer, cost) for cost in costs]]
        writer.writerow([layer.id, layer.kind, "x".join(map(str, layer.shape)), *numbers])
    return out.getvalue()


def plain(report: Report) -> dict[str, Any]:
    """Plain data: numbers as they are, fractions as text such as "17/2", `schema` for whoever reads it later."""
    memory = report.memory()
    return {
        "schema": SCHEMA,
        "name": report.name,
        "input": list(report.input),
        "params": report.params,
        "trainable_params": report.trainable_params,
        "buffers": report.buffers,
        "macs": report.macs,
        "other_ops": report.other_ops,
        "weight_bytes": report.weight_bytes(),
        "activation_bytes": {"peak": memory.peak, "peak_layer": memory.peak_layer, "saved_for_backward": memory.saved},
        "features": _layer(report.features),
        "pooled": None if report.pooled is None else _layer(report.pooled),
        "properties": {name: list(ids) for name, ids in report.properties.items()},
        "misalignments": [portable(asdict(one)) for one in report.misalignments],
        "unread": list(report.unread),
        "layers": [_layer(layer) for layer in report.layers],
    }


def _layer(layer: LayerReport) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": layer.id,
        "kind": layer.kind,
        "inputs": layer.inputs,
        "shape": layer.shape,
        "receptive_field": layer.receptive_field,
        "jump": layer.jump,
        "start": layer.start,
        "center": layer.center,
        "pixels_read": layer.pixels_read,
        "status": layer.status,
        "global_since": layer.global_since,
        "params": layer.params,
        "trainable_params": layer.trainable_params,
        "buffers": layer.buffers,
        "macs": layer.macs,
        "other_ops": layer.other_ops,
        "live_elements": layer.live_elements,
    }
    if any(len(axis) > 1 for axis in layer.phases):
        data["phases"] = layer.phases
    return {key: portable(value) for key, value in data.items()}


def portable(value: Any) -> Any:
    """Lists for tuples and text for fractions ("17/2"), as JSON has them."""
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    return value


def rich_table(report: Report, *, all_layers: bool = False) -> Table:
    """The same table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    caption = "\n".join([*summary(report), *notes(report)])
    table = Table(title=report.name, caption=caption, title_justify="left", caption_justify="left")
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if i < 2 else "right", no_wrap=i != 1, overflow="fold")
    for row in rows(report, all_layers=all_layers):
        table.add_row(*[Text(cell) for cell in _cells(row)])
    return table
