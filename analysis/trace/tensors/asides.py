"""Second results: statistics and indices beside what an operation is asked for."""

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

ALIKE = {"topk", "sort", "max", "min", "median", "mode", "kthvalue"}  # whose indices are of what the values are of


class Asides:
    """What most networks never read: nothing is recorded of one until it is."""

    def __init__(self, record: Recorder, held: HeldValues) -> None:
        self.record, self.held = record, held
        self._asides: dict[int, tuple[Tensor, Op, Value]] = {}

    def add(self, tensors: Iterable[Tensor], op: Op, value: Value) -> None:
        """Results of an operation whose first holds `value`."""
        self._asides.update({id(tensor): (tensor, op, value) for tensor in tensors})

    def is_unread(self, tensor: Any) -> bool:
        """Whether a tensor is statistics or indices of a kind that few networks read: views of them may go unread."""
        return id(tensor) in self._asides and self._asides[id(tensor)][1].name not in ALIKE

    def view(self, tensor: Tensor, made: Iterable[Tensor]) -> None:
        """A view of statistics or indices does not use them yet."""
        _, op, value = self._asides[id(tensor)]
        others = [one for one in made if one is not tensor]
        self.add(others, op, value)
        if (windows := self.record.pooled.get(id(tensor))) is not None:
            self.record.pooled.update({id(one): windows for one in [tensor, *others]})

    def read(self, tensors: Iterable[Tensor]) -> None:
        """Nothing is claimed of statistics, and of most indices, once they are read."""
        if self._asides:
            for tensor in tensors:
                if id(tensor) in self._asides:
                    self._read(tensor)

    def _read(self, tensor: Tensor) -> None:
        _, op, value = self._asides.pop(id(tensor))
        if op.name in ALIKE and not is_unknown(self.record, value):
            self.held.hold(tensor, self.record.same(op.name, Pointwise(op.name), value))
            return
        self.held.hold(tensor, unknown(self.record, tensor, op.name, (value,), "a second result"))

    def read_at_end(self, tensor: Tensor) -> None:
        """Of what leaves the network only what is beside an unknown map counts as read."""
        if id(tensor) in self._asides and is_unknown(self.record, self._asides[id(tensor)][2]):
            self._read(tensor)
