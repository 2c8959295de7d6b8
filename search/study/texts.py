"""A leaderboard as text."""

from __future__ import annotations

from fieldspec.architectures.document.values import flow
from fieldspec.search.results.columns import aligned, column_name, number_text, short
from fieldspec.search.study.leaderboard import Leaderboard, counted
from fieldspec.search.study.storage.trials import TrialRecord

SHOWN = ("params", "macs", "receptive_field", "memory")  # in addition to the objectives, if they differ


def text(board: Leaderboard, most: int | None = 20) -> str:
    """Format one row per trial: rank, accuracy, whether it is on the front, measures, and the values that differ.

    Args:
        board: A leaderboard with at least one trial.
        most: Maximum number of rows; None for all.
    """
    shown = board.ranked[:most]
    measures = _measures(board)
    settings = _settings(board)
    costs = board.question.minimize
    titles = ["rank", "held-out", *(["front"] if costs else []), *measures]
    rows = [[*titles, "network", *map(column_name, settings)]]
    for rank, one in enumerate(shown, 1):
        values = board.values(one)
        on_front = ["*" if one.candidate.place in board.front else ""] if costs else []
        cells = [number_text(one.candidate.measures[name]) for name in measures]
        rows.append(
            [str(rank), _came(one), *on_front, *cells, one.candidate.name, *[short(values[name]) for name in settings]]
        )
    lines = [f"Leaderboard of {board.question.name}: {counted(board.trials)}", *aligned(rows, len(titles))]
    if len(shown) < len(board.ranked):
        lines.append(f"... {len(board.ranked) - len(shown):,} more")
    lines += ["", "held-out: accuracy on the held-out images after the last epoch; test images are not used"]
    if costs:
        lines.append(f"front: Pareto-optimal in accuracy and {' and '.join(costs)}")
    return "\n".join(lines)


def _came(trial: TrialRecord) -> str:
    if trial.status == "complete":
        return f"{100 * (trial.accuracy or 0):.2f} %"
    if trial.status == "pruned":
        return f"{100 * (trial.accuracy or 0):.2f} % at {trial.epochs}"
    return trial.status


def _measures(board: Leaderboard) -> list[str]:
    """The costs and gains, then those of the usual measures that differ."""
    own = [*board.question.minimize, *board.question.maximize]
    known = board.trials[0].candidate.measures
    more = [name for name in SHOWN if name in known and name not in own]
    return [*own, *[name for name in more if len({one.candidate.measures[name] for one in board.trials}) > 1]]


def _settings(board: Leaderboard) -> list[str]:
    values = [board.values(one) for one in board.trials]
    return [name for name in values[0] if len({flow(one[name]) for one in values}) > 1]
