"""Secondary results of operations, such as statistics and indices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.tensors.held_values import HeldValues
from fieldspec.analysis.trace.tensors.unknown import is_unknown, unknown
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Pointwise

# their indices read the same units as the values
ALIKE = {"topk", "sort", "max", "min", "median", "mode", "kthvalue", "nanmedian", "cummax", "cummin", "frexp"}


class Asides:
    """Secondary results, which most networks never read: nothing is recorded until they are."""

    def __init__(self, record: Recorder, held: HeldValues) -> None:
        self.record, self.held = record, held
        self._asides: dict[int, tuple[Tensor, Op, Value]] = {}

    def add(self, tensors: Iterable[Tensor], op: Op, value: Value) -> None:
        """Add secondary results of an operation whose main result holds `value`."""
        self._asides.update({id(tensor): (tensor, op, value) for tensor in tensors})

    def is_unread(self, tensor: Any) -> bool:
        """Whether a tensor holds statistics or indices that are rarely read: views of them may go unread."""
        return id(tensor) in self._asides and self._asides[id(tensor)][1].name not in ALIKE

    def view(self, tensor: Tensor, made: Iterable[Tensor]) -> None:
        """Record a view of statistics or indices, which does not count as reading them."""
        _, op, value = self._asides[id(tensor)]
        others = [one for one in made if one is not tensor]
        self.add(others, op, value)
        if (windows := self.record.pooled.get(id(tensor))) is not None:
            self.record.pooled.update({id(one): windows for one in [tensor, *others]})

    def read(self, tensors: Iterable[Tensor]) -> None:
        """Mark statistics and most indices as unknown once they are read."""
        if self._asides:
            for tensor in tensors:
                if id(tensor) in self._asides:
                    self._read(tensor)

    def _read(self, tensor: Tensor) -> None:
        _, op, value = self._asides.pop(id(tensor))
        if op.name in ALIKE and not is_unknown(self.record, value):
            self.held.hold(tensor, self.record.same(op.name, Pointwise(op.name), value))
            return
        self.held.hold(tensor, unknown(self.record, tensor, op.name, (value,), "a secondary result"))

    def read_at_end(self, tensor: Tensor) -> None:
        """At the end, count an output as read only if it is a secondary result of an unknown map."""
        if id(tensor) in self._asides and is_unknown(self.record, self._asides[id(tensor)][2]):
            self._read(tensor)
