"""The result of a search as text and files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from fieldspec.architectures.document.values import flow
from fieldspec.search.results.columns import aligned, column_name, number_text, short
from fieldspec.search.results.folder import TABLE, write_numbered
from fieldspec.search.results.result import FrontPoint, SearchResult

MOST_ROWS = 20  # of the printed table
SHOWN = ("params", "macs", "receptive_field", "memory")  # shown in addition to objectives and constraints


def text(result: SearchResult) -> str:
    """Format how the space was searched, what the constraints exclude, and the front."""
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
        lines.append(f"  stopped: {result.done[0]:,} of {result.done[1]:,} blocks are done; results cover only these")
    lines += [
        f"  proved: no candidate has {'less' if name in result.minimize else 'more'} {name} than {number_text(bound)}"
        for name, bound in result.bounds.items()
    ]
    if result.networks is not None and result.networks < result.space:
        lines.append(
            f"  {number_text(result.space - result.networks):>15}  are invalid: their values do not fit together"
        )
    if result.feasible is not None:
        lines.append(f"  {number_text(result.feasible):>15}  satisfy all constraints")
    of = "" if result.method != "sampled" else " of those visited"
    lines += [f"  {number_text(count):>15}  excluded by {words}{of}" for words, count in result.excluded.items()]
    return lines


def _table(result: SearchResult) -> list[str]:
    """Format one row per network: the objectives, the other measures, the values that differ."""
    points = result.pareto
    ways = [f"small {', '.join(result.minimize)}"] if result.minimize else []
    ways += [f"large {', '.join(result.maximize)}"] if result.maximize else []
    names = _measures(result)
    settings = [name for name in points[0].values if len({flow(one.values[name]) for one in points}) > 1]
    shown = points if len(points) <= MOST_ROWS else [*points[: MOST_ROWS // 2], *points[-MOST_ROWS // 2 :]]
    rows = [[*names, *map(column_name, settings)]]
    rows += [[*[number_text(one.measures[name]) for name in names], *_values(one, settings)] for one in shown]
    lines = aligned(rows, len(names))
    if len(shown) < len(points):
        lines.insert(MOST_ROWS // 2 + 1, f"... {len(points) - len(shown):,} more")
    count = f"{len(points):,} networks" if len(points) > 1 else "1 network"
    alike = [name for name in points[0].measures if name in SHOWN and name not in names]
    same = [f"  {name}: {number_text(points[0].measures[name])}" for name in alike]
    same += [f"  {name}: {short(value)}" for name, value in points[0].values.items() if name not in settings]
    title = "Front of" if result.is_complete else "The best so far,"
    return [f"{title} {count}: {' and '.join(ways)}", *lines, *(["", "The same for all", *same] if same else [])]


def _measures(result: SearchResult) -> list[str]:
    """The objectives, then those of the constrained and the usual measures that differ."""
    points = result.pareto
    more = dict.fromkeys([*[words.split()[0] for words in result.excluded], *SHOWN])
    known = [name for name in more if name in points[0].measures and name not in result.objectives]
    return [*result.objectives, *[name for name in known if len({one.measures[name] for one in points}) > 1]]


def _values(point: FrontPoint, settings: Sequence[str]) -> list[str]:
    return [short(point.values[name]) for name in settings]


def _nothing(result: SearchResult) -> list[str]:
    """Format a search without feasible candidates: the closest candidate, and what it violates."""
    lines = ["No candidate satisfies all constraints."]
    if not result.is_complete or result.method == "sampled":
        lines = ["No candidate so far satisfies all constraints."]
    if result.nearest is None:
        return lines
    near = result.nearest
    misses = [
        words if words.startswith(("uses ", "forbids ")) else f"{words} by {100 * miss:.3g} %"
        for words, miss in zip(result.obstacles, result.misses, strict=True)
    ]
    lines.append(f"The closest misses {' and '.join(misses)}:")
    lines += [f"  {name}: {number_text(value)}" for name, value in near.measures.items()]
    return [*lines, "with", *[f"  {name}: {short(value)}" for name, value in near.values.items()]]


def write_front(result: SearchResult, folder: Path) -> list[Path]:
    """Write each network of the front as a closed spec, and all to `front.csv`, in place of an earlier front."""
    paths = write_numbered(folder, result.spec.name, [point.document() for point in result.pareto])
    (folder / TABLE).unlink(missing_ok=True)
    if result.pareto:
        (folder / TABLE).write_text(_csv(result, paths), encoding="utf-8")
    return paths


def _csv(result: SearchResult, paths: Sequence[Path]) -> str:
    first = result.pareto[0]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", *first.measures, "ties", *first.values])
    for path, one in zip(paths, result.pareto, strict=True):
        writer.writerow([path.name, *one.measures.values(), one.ties, *map(flow, one.values.values())])
    return out.getvalue()
