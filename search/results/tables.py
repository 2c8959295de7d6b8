"""A search in words and a table, and its front as files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.constraints import MeasureValue
from fieldspec.architectures.spec.writer import written_out
from fieldspec.search.results.result import FrontPoint, SearchResult

MOST_ROWS = 20  # of the table that is printed
MOST_WIDE = 44  # characters of one value
SHOWN = ("params", "macs", "receptive_field", "memory")  # in the table, beside those of objectives and constraints
_LAYER = re.compile(r"layers(\[[0-9]+\])")


def text(result: SearchResult) -> str:
    """How the space was searched, what the constraints exclude, and the front."""
    return "\n".join([*_head(result), "", *(_table(result) if result.pareto else _nothing(result))])


def _head(result: SearchResult) -> list[str]:
    count = f"{result.space:,}" if result.space < 10**12 else f"{result.space:.3g}"
    how = {
        "exact": f"all {count} candidates, by dynamic programming over the parts",
        "enumerated": f"all {count} candidates, one by one ({result.reason})",
        "sampled": f"{result.visited:,} of {count} candidates, by Optuna's sampler ({result.reason})",
    }[result.method]
    lines = [f"{result.spec.name}: {how}"]
    if not result.is_complete:
        lines.append(
            f"  stopped: {result.done[0]:,} of {result.done[1]:,} blocks are done, and what follows is of these"
        )
    lines += [
        f"  proved: no candidate has {'less' if name in result.minimize else 'more'} {name} than {_number(bound)}"
        for name, bound in result.bounds.items()
    ]
    if result.networks is not None and result.networks < result.space:
        lines.append(
            f"  {_number(result.space - result.networks):>15}  are no networks: their values do not fit together"
        )
    if result.feasible is not None:
        lines.append(f"  {_number(result.feasible):>15}  keep every constraint")
    of = "" if result.method != "sampled" else " of those visited"
    lines += [f"  {_number(count):>15}  excluded by {words}{of}" for words, count in result.excluded.items()]
    return lines


def _number(count: MeasureValue | None) -> str:
    return "not counted" if count is None else f"{count:,}"


def _table(result: SearchResult) -> list[str]:
    """A row for each point: the objectives, the other measures, the values that differ."""
    points = result.pareto
    ways = [f"small {', '.join(result.minimize)}"] if result.minimize else []
    ways += [f"large {', '.join(result.maximize)}"] if result.maximize else []
    names = _measures(result)
    settings = [name for name in points[0].values if len({flow(one.values[name]) for one in points}) > 1]
    shown = points if len(points) <= MOST_ROWS else [*points[: MOST_ROWS // 2], *points[-MOST_ROWS // 2 :]]
    rows = [[*names, *map(_shorter, settings)]]
    rows += [[*[_number(one.measures[name]) for name in names], *_values(one, settings)] for one in shown]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ["  ".join(_cell(row[at], widths[at], at < len(names)) for at in range(len(row))).rstrip() for row in rows]
    if len(shown) < len(points):
        lines.insert(MOST_ROWS // 2 + 1, f"... {len(points) - len(shown):,} more")
    count = f"{len(points):,} networks" if len(points) > 1 else "1 network"
    alike = [name for name in points[0].measures if name in SHOWN and name not in names]
    same = [f"  {name}: {_number(points[0].measures[name])}" for name in alike]
    same += [f"  {name}: {_short(value)}" for name, value in points[0].values.items() if name not in settings]
    title = "Front of" if result.is_complete else "The best so far,"
    return [f"{title} {count}: {' and '.join(ways)}", *lines, *(["", "The same in all", *same] if same else [])]


def _measures(result: SearchResult) -> list[str]:
    """The objectives, then what differs of the constraints' measures and those of every table."""
    points = result.pareto
    more = dict.fromkeys([*[words.split()[0] for words in result.excluded], *SHOWN])
    known = [name for name in more if name in points[0].measures and name not in result.objectives]
    return [*result.objectives, *[name for name in known if len({one.measures[name] for one in points}) > 1]]


def _shorter(name: str) -> str:
    """The name of a setting as the head of a column.

    Example:
        >>> _shorter("layers[3].inverted_residual.expand"), _shorter("layers[2]"), _shorter("width")
        ('[3] expand', '[2]', 'width')
    """
    found = _LAYER.match(name)
    if found is None:
        return name
    return f"{found[1]} {name.rpartition('.')[2]}" if "." in name else found[1]


def _cell(text: str, width: int, is_number: bool) -> str:
    return text.rjust(width) if is_number else text.ljust(width)


def _values(point: FrontPoint, settings: Sequence[str]) -> list[str]:
    return [_short(point.values[name]) for name in settings]


def _short(value: object) -> str:
    text = flow(value)
    return text if len(text) <= MOST_WIDE else f"{text[: MOST_WIDE - 3]}..."


def _nothing(result: SearchResult) -> list[str]:
    """Nothing feasible: what stands in the way, and what comes nearest."""
    lines = ["No candidate keeps every constraint."]
    if not result.is_complete or result.method == "sampled":
        lines = ["No candidate so far keeps every constraint."]
    if result.nearest is None:
        return lines
    near = result.nearest
    lines.append(f"The nearest misses {' and '.join(result.obstacles)} by {100 * result.distance:.3g} %:")
    lines += [f"  {name}: {_number(value)}" for name, value in near.measures.items()]
    return [*lines, "with", *[f"  {name}: {_short(value)}" for name, value in near.values.items()]]


def write_front(result: SearchResult, folder: Path) -> list[Path]:
    """Each network of the front as a closed spec, numbered in its order, and all of them in `front.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    width = len(str(len(result.pareto)))
    paths = []
    for number, point in enumerate(result.pareto, 1):
        name = f"{result.spec.name}_{number:0{width}}"
        paths.append(folder / f"{name}.yaml")
        paths[-1].write_text(written_out(point.document(name), "yaml"), encoding="utf-8")
    if result.pareto:
        (folder / "front.csv").write_text(_csv(result, paths), encoding="utf-8")
    return paths


def _csv(result: SearchResult, paths: Sequence[Path]) -> str:
    first = result.pareto[0]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", *first.measures, "ties", *first.values])
    for path, one in zip(paths, result.pareto, strict=True):
        writer.writerow([path.name, *one.measures.values(), one.ties, *map(flow, one.values.values())])
    return out.getvalue()
