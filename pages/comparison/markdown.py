"""A summary in Markdown, for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fieldspec.analysis.report.text.summary import gaps
from fieldspec.pages.comparison.aligned import Facet, LayerPair, aligned
from fieldspec.pages.comparison.totals import Total, change, totals_of
from fieldspec.pages.facts.exhibit import Exhibit, verdicts_of

MOST = 30  # maximum rows of layers


def markdown_of(exhibits: Sequence[Exhibit], broken: Sequence[str] = ()) -> str:
    """Format totals with changes, the layers that differ, what the numbers do not cover, and violations."""
    names = [exhibit.name for exhibit in exhibits]
    lines = [f"### {' → '.join(map(plain, names))}", ""]
    lines += _totals(names, totals_of(exhibits))
    first, *others = exhibits
    for other in others:
        lines += ["", *_layers(first, other, len(others) > 1)]
    missing = [f"{exhibit.name}: {one}" for exhibit in exhibits for one in gaps(exhibit.report)]
    if missing:
        lines += ["", "**Not covered by these numbers**", "", *[f"- {plain(one)}" for one in missing]]
    verdicts = [(exhibit, one) for exhibit in exhibits for one in verdicts_of(exhibit) if not one.holds]
    told = [f"{exhibit.name}: {one.name} needs {one.needs}, has {one.has}" for exhibit, one in verdicts]
    if broken or told:
        lines += ["", "**Broken**", "", *[f"- {plain(one)}" for one in [*broken, *told]]]
    return "\n".join([*lines, ""])


def plain(text: str) -> str:
    """Escape a text for Markdown and HTML.

    Example:
        >>> plain("a|b <script>"), plain("conv_1*")
        ('a\\\\|b &lt;script&gt;', 'conv\\\\_1\\\\*')
    """
    for sign in "\\`*_[]|~":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(escape(text, quote=False).replace("@", "&#64;").split())


def _totals(names: Sequence[str], totals: Sequence[Total]) -> list[str]:
    changed = len(names) > 1
    heads = [plain(name) for name in names] + (["change"] if changed else [])
    rule = ["---"] + ["--:"] * len(heads)
    rows = []
    for total in totals:
        last = [", ".join(one or "none" for one in total.changes[1:])] if changed else []
        rows.append([total.name, *[plain(value) for value in total.values], *last])
    return [_row(["", *heads]), _row(rule), *map(_row, rows)]


def _layers(first: Exhibit, other: Exhibit, is_named: bool) -> list[str]:
    pairs = aligned(first.report, other.report)
    counts = {fate: sum(pair.fate == fate for pair in pairs) for fate in ("same", "changed", "added", "removed")}
    of = f" of {plain(other.name)}" if is_named else ""
    told = ", ".join(f"{count} {fate}" for fate, count in counts.items() if count) or "none"
    lines = [f"Layers{of}: {told}."]
    different = [pair for pair in pairs if pair.fate != "same"]
    if not different:
        return lines
    rows = [_pair(pair) for pair in different[:MOST]]
    if len(different) > MOST:
        rows.append(["", f"and {len(different) - MOST} more", "", "", ""])
    heads = ["", "layer", "operation", "parameters", "multiply-adds"]
    return [*lines, "", _row(heads), _row(["---", "---", "---", "--:", "--:"]), *map(_row, rows)]


def _pair(pair: LayerPair) -> list[str]:
    before, after = pair.before, pair.after
    if before and after:
        words = [plain(after.id), _told(before, after), *_numbers(before, after)]
    else:
        one: Facet = before or after  # type: ignore[assignment]  # a pair has at least one layer
        sign = "−" if before else "+"
        said = plain(f"{one.operation}, {one.output}")
        words = [plain(one.id), said, f"{sign}{one.params:,}", f"{sign}{one.macs_text}"]
    return [pair.fate, *words]


def _told(before: Facet, after: Facet) -> str:
    """What differs most: the operation, else the output, else the field."""
    if before.operation != after.operation:
        return f"{plain(before.operation)} → {plain(after.operation)}"
    if before.output != after.output:
        return f"{plain(after.operation)}, {before.output} → {after.output}"
    return plain(after.operation) + (f", field {before.field} → {after.field}" if before.field != after.field else "")


def _numbers(before: Facet, after: Facet) -> list[str]:
    of = [(f"{after.params:,}", before.params, after.params), (after.macs_text, before.macs, after.macs)]
    return [text + (f" ({difference})" if (difference := change(old, new)) else "") for text, old, new in of]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
