"""Measures that are evaluated at the end of a network, from sums over its parts and the shape of the last map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fieldspec.analysis.promise.entropy import effectiveness_of, map_entropy_of
from fieldspec.analysis.promise.widths import WidestWay
from fieldspec.blocks.layers import Shape, numel
from fieldspec.search.space.measures import Column, whole


def at_end(measure: str, columns: Sequence[Column], values: NDArray[np.int64], shape: Shape) -> NDArray[np.int64]:
    """Evaluate a measure, as integers, of networks whose last map has `shape`: (networks, columns) -> (networks,)."""
    own = {column.of: number for number, column in enumerate(columns) if column.measure == measure}
    sums, of = np.unique(values[:, list(own.values())], axis=0, return_inverse=True)
    told = []
    for row in sums.tolist():
        found = dict(zip(own, row, strict=True))
        way = WidestWay(found["log_widths"], found.get("depth", 0))
        value = map_entropy_of(way, numel(shape)) if measure == "map_entropy" else effectiveness_of(way)
        told.append(whole(measure, value))
    numbers: NDArray[np.int64] = np.array(told, dtype=np.int64)[of.ravel()]
    return numbers
