"""A plot of the front."""

from __future__ import annotations

from pathlib import Path

from fieldspec.analysis.report.picture_files import check_picture_file
from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.results.result import SearchResult


def plot_front(result: SearchResult, path: Path) -> None:
    """Plot the front: a scatter of the first two objectives, or of one and the parameters; a third sets the color.

    Raises:
        FieldspecError: There is no front, the file's name ends in no known format, or matplotlib is missing.
    """
    check_picture_file(path)
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise FieldspecError("a plot needs matplotlib: pip install 'fieldspec[report]'") from None
    if not result.pareto:
        raise FieldspecError("there is no front to plot")
    names = [*result.objectives, *[name for name in ("params", "macs") if name not in result.objectives]]
    across, up, *more = names
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    color = more[0] if len(result.objectives) > 2 else None
    drawn = axes.scatter(
        _numbers(result, across), _numbers(result, up), c=None if color is None else _numbers(result, color), s=16
    )
    if color is not None:
        figure.colorbar(drawn, label=color)
    axes.set(xlabel=across, ylabel=up, title=f"{result.spec.name}: {len(result.pareto):,} networks ({result.method})")
    axes.grid(alpha=0.3)
    figure.savefig(path)


def _numbers(result: SearchResult, name: str) -> list[float]:
    return [float(one.measures[name] or 0) for one in result.pareto]
