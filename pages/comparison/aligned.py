"""The layers of two networks side by side: which are the same, which changed, which came or went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.tables import Row, rows
from fieldspec.architectures.readings.pairing import EQUAL, paired
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.pages.drawing.words import family

Fate = Literal["same", "changed", "added", "removed"]


@dataclass(frozen=True, slots=True)
class Facet:
    """What is compared of one layer, as the tables have it."""

    id: str
    operation: str
    output: str
    field: str
    params: int
    macs: int
    family: str  # layers of different ones are never paired

    @property
    def kernel(self) -> str:
        """The kernel's size, or the first word behind the kind."""
        return self.operation.partition(" ")[2].partition(" ")[0]

    @property
    def channels(self) -> str:
        """Of the output."""
        return self.output.partition("x")[0]

    def differs(self, other: Facet) -> list[str]:
        """The columns in which two layers differ; an id is only a name."""
        names = ("operation", "output", "field", "params", "macs")
        return [name for name in names if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, slots=True)
class LayerPair:
    """A layer before and after, or one of them alone."""

    fate: Fate
    before: Facet | None
    after: Facet | None

    @property
    def differences(self) -> list[str]:
        """The columns in which they differ."""
        return self.before.differs(self.after) if self.before and self.after else []


def aligned(before: Report, after: Report) -> list[LayerPair]:
    """Every row of both reports, paired in order by operation and size before the layers' ids.

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
    return Facet(layer.id, operation(layer), size_text(layer.shape), field, row.params, row.macs, family(layer))


WEIGHTS = {"kernel": 0.7, "operation": 0.3, "channels": 0.3, "output": 0.2, "params": 0.1, "macs": 0.1}


def _likeness(one: Facet, other: Facet) -> float:
    """0 for different kinds, the most where only the id differs; what follows from layers before counts little.

    A 1x1 convolution, which only mixes channels, is not what a larger one becomes.
    """
    if one.family != other.family or (one.kernel == "1x1") != (other.kernel == "1x1"):
        return 0.0
    if not one.differs(other):
        return EQUAL
    agree = sum(weight for name, weight in WEIGHTS.items() if getattr(one, name) == getattr(other, name))
    return 1.0 + agree + (0.2 if one.id == other.id else 0.0)
