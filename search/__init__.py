"""Architecture search: Pareto fronts of open specs under constraints, exact if the parts are in series.

Names are imported lazily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fieldspec.lazy import lazily

if TYPE_CHECKING:
    from fieldspec.search.fitting.fit import Fit, FitResult, fit
    from fieldspec.search.methods.search import search_networks
    from fieldspec.search.results.result import FrontPoint, SearchResult
    from fieldspec.search.study.board import read_leaderboard
    from fieldspec.search.study.leaderboard import Leaderboard
    from fieldspec.search.study.study import StudyResult, train_candidates

_HOME = {
    "Fit": "fitting.fit",
    "FitResult": "fitting.fit",
    "FrontPoint": "results.result",
    "Leaderboard": "study.leaderboard",
    "SearchResult": "results.result",
    "StudyResult": "study.study",
    "fit": "fitting.fit",
    "read_leaderboard": "study.board",
    "search_networks": "methods.search",
    "train_candidates": "study.study",
}

__all__ = [
    "Fit",
    "FitResult",
    "FrontPoint",
    "Leaderboard",
    "SearchResult",
    "StudyResult",
    "fit",
    "read_leaderboard",
    "search_networks",
    "train_candidates",
]

__getattr__ = lazily(__name__, _HOME)
