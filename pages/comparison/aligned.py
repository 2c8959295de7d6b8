"""Alignment of the layers of two networks: same, changed, added or removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.summary import macs_text
from fieldspec.analysis.report.text.tables import Row, rows
from fieldspec.architectures.readings.pairing import EQUAL, paired
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.pages.drawing.words import family

Fate = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Facet:
    """The compared properties of a layer, as in the tables."""

    id: str
    operation: str
    output: str
    field: str
    params: int
    macs: int
    macs_text: str  # `1,234`, or `at least 1,234`
    family: str  # layers of different kinds are never paired

    @property
    def kernel(self) -> str:
        """The kernel size, or the first word after the kind."""
        return self.operation.partition(" ")[2].partition(" ")[0]

    @property
    def channels(self) -> str:
        """Channels of the output."""
        return self.output.partition("x")[0]

    def differs(self, other: Facet) -> list[str]:
        """The columns in which two layers differ; ids are ignored."""
        names = ("operation", "output", "field", "params", "macs")
        return [name for name in names if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer before and after; None if added or removed."""

    fate: Fate
    before: Facet | None
    after: Facet | None

    @property
    def differences(self) -> list[str]:
        """The columns in which the layers differ."""
        return self.before.differs(self.after) if self.before and self.after else []


def aligned(before: Report, after: Report) -> list[LayerPair]:
    """Align every row of both reports, in order, by operation and size rather than by id.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> pairs = aligned(analyze("c1c2c3c40"), analyze("c1c2c3c40_wide"))
        >>> next((pair.after.id, pair.differences) for pair in pairs if pair.fate == "changed")
        ('inverted_residual1.body.expand.conv', ['output', 'params', 'macs'])
    """
    old, new = ([_facet(row) for row in rows(report)] for report in (before, after))
    found: list[LayerPair] = []
    row = column = 0
    for i, j in [*paired(old, new, _likeness), (len(old), len(new))]:
        found += [LayerPair("removed", one, None) for one in old[row:i]]
        found += [LayerPair("added", None, one) for one in new[column:j]]
        if i < len(old):
            found.append(LayerPair("changed" if old[i].differs(new[j]) else "same", old[i], new[j]))
        row, column = i + 1, j + 1
    return found


def _facet(row: Row) -> Facet:
    layer = row.layer
    field = side_text(layer.receptive_field) if layer.field.axes else "unknown"
    return Facet(
        layer.id, operation(layer), size_text(layer.shape), field, row.params, row.macs, macs_text(row), family(layer)
    )


WEIGHTS = {"kernel": 0.7, "operation": 0.3, "channels": 0.3, "output": 0.2, "params": 0.1, "macs": 0.1}


def _likeness(one: Facet, other: Facet) -> float:
    """Similarity of two layers: 0 for different kinds, highest if only the id differs.

    Differences that follow from earlier layers weigh little. A 1x1 convolution is never paired with a larger one.
    """
    if one.family != other.family or (one.kernel == "1x1") != (other.kernel == "1x1"):
        return 0.0
    if not one.differs(other):
        return EQUAL
    agree = sum(weight for name, weight in WEIGHTS.items() if getattr(one, name) == getattr(other, name))
    return 1.0 + agree + (0.2 if one.id == other.id else 0.0)
