"""The table of a report in a terminal: fitted to its width, without wrapping, with a bar for each cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from fieldspec.analysis.report.text.tables import COLUMNS, cells, rows
from fieldspec.blocks.formatting import shortened

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report

BAR, SHORT_BAR = 8, 4  # character cells of a full bar
EIGHTHS = " ▏▎▍▌▋▊▉"  # the last cell of a bar
LEAST = 15  # fewest character cells of a shortened name
COLORS = {"Params": "magenta", "MACs": "cyan"}
CUT = ("Layer", "Operation")  # text columns, which may be shortened in the middle


def terminal_lines(report: Report, width: int, *, all_layers: bool = False, ascii_only: bool = False) -> list[Text]:
    """Lines of the table, none wider than `width`; long names are shortened first, then columns are dropped.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> report = report_of(LayerGraph.of(conv(3, out_channels=8), (3, 32, 32)))
        >>> print(*[line.plain.rstrip() for line in terminal_lines(report, 76)], sep="\\n")
        Layer  Operation            Output  Field  Jump  Params          MACs
        conv   conv 3x3 padding 1  8x32x32      3     1     232 ████  221,184 ████
    """
    found = rows(report, all_layers=all_layers)
    table = [dict(zip(COLUMNS, cells(row), strict=True)) for row in found]
    names, bar, widths = _fitted(table, width)
    params = bars([row.params for row in found], bar, ascii_only=ascii_only)
    macs = bars([row.macs for row in found], bar, ascii_only=ascii_only)
    title = dict(zip(COLUMNS, COLUMNS, strict=True))
    lines = [_line(title, names, widths, bar, {}, "bold")]
    for number, row in enumerate(table):
        lines.append(_line(row, names, widths, bar, {"Params": params[number], "MACs": macs[number]}, ""))
    return lines


def _fitted(table: Sequence[dict[str, str]], width: int) -> tuple[list[str], int, dict[str, int]]:
    """The columns shown, the width of a full bar, and the width of each column."""
    natural = {name: max([len(name), *[len(row[name]) for row in table]]) for name in COLUMNS}
    names, bar = list(COLUMNS), BAR
    for step in ("", "shorter bars", "Center", "Jump", "no bars", "Output", "Field", "Operation"):
        if step in names:
            names.remove(step)
        bar = {"shorter bars": SHORT_BAR, "no bars": 0}.get(step, bar)
        widths = _cut({name: natural[name] for name in names}, width, bar)
        if _total(widths, bar) <= width:
            break
    return names, bar, widths


def _cut(widths: dict[str, int], width: int, bar: int) -> dict[str, int]:
    """Column widths after shortening names as far as allowed, the wider column first."""
    cut = [name for name in CUT if name in widths]
    while _total(widths, bar) > width and any(widths[name] > LEAST for name in cut):
        widest = max(cut, key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _total(widths: dict[str, int], bar: int) -> int:
    return sum(widths.values()) + 2 * (len(widths) - 1) + (len(COLORS) * (bar + 1) if bar else 0)


def _line(
    row: dict[str, str], names: Sequence[str], widths: dict[str, int], bar: int, own: dict[str, str], style: str
) -> Text:
    line = Text(style=style, no_wrap=True, overflow="crop", end="")
    for number, name in enumerate(names):
        words = shortened(row[name], widths[name])
        line.append("  " if number else "")
        line.append(words.ljust(widths[name]) if name in CUT else words.rjust(widths[name]))
        if bar and name in COLORS:
            line.append(" ")
            line.append(own.get(name, "").ljust(bar), style=COLORS[name])
    return line


def bars(values: Sequence[int], cells: int, *, ascii_only: bool = False) -> list[str]:
    """Bars for values relative to the largest, which gets `cells` character cells.

    Example:
        >>> bars([8, 3, 0], 8, ascii_only=True), bars([16, 5], 8)
        (['########', '###', ''], ['████████', '██▌'])
    """
    most = max(values, default=0) or 1
    eighths = [round(8 * cells * value / most) for value in values]
    if ascii_only:
        return ["#" * -(-one // 8) for one in eighths]
    return ["█" * (one // 8) + (EIGHTHS[one % 8] if one % 8 else "") for one in eighths]
