"""Secondary results of operations, such as statistics and indices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from fieldspec.analysis.trace.rules.registry import Op
from fieldspec.analysis.trace.tensors.deferred import Deferred
from fieldspec.analysis.trace.tensors.unknown import is_unknown, unknown
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Pointwise

# their indices read the same units as the values
ALIKE = {"topk", "sort", "max", "min", "median", "mode", "kthvalue", "nanmedian", "cummax", "cummin", "frexp"}


class Asides(Deferred[tuple[Tensor, Op, Value]]):
    """Secondary results, marked as unknown once they are read; indices of the same units are known."""

    def add(self, tensors: Iterable[Tensor], op: Op, value: Value) -> None:
        """Add secondary results of an operation whose main result holds `value`."""
        self._unread.update({id(tensor): (tensor, op, value) for tensor in tensors})

    def is_unread(self, tensor: Any) -> bool:
        """Whether a tensor holds statistics or indices that are rarely read: views of them may go unread."""
        return id(tensor) in self._unread and self._unread[id(tensor)][1].name not in ALIKE

    def view(self, tensor: Tensor, made: Iterable[Tensor]) -> None:
        """Record a view of statistics or indices, which does not count as reading them."""
        _, op, value = self._unread[id(tensor)]
        others = [one for one in made if one is not tensor]
        self.add(others, op, value)
        if (pooling := self.record.pooled.get(id(tensor))) is not None:
            self.record.pooled.update({id(one): pooling for one in [tensor, *others]})

    def _read(self, tensor: Tensor, known: tuple[Tensor, Op, Value]) -> None:
        _, op, value = known
        if op.name in ALIKE and not is_unknown(self.record, value):
            self.held.hold(tensor, self.record.same(op.name, Pointwise(op.name), value))
            return
        self.held.hold(tensor, unknown(self.record, tensor, op.name, (value,), "a secondary result"))

    def read_at_end(self, tensor: Tensor) -> None:
        """At the end, count an output as read only if it is a secondary result of an unknown map."""
        if id(tensor) in self._unread and is_unknown(self.record, self._unread[id(tensor)][2]):
            self.read([tensor])
