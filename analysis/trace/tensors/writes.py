"""In-place writes: their effect on other tensors that share the memory."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch._ops import OpOverload

from fieldspec.analysis.trace.layout import LayoutError, reshaped
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.moving.parts import with_part
from fieldspec.analysis.trace.tensors.aliasing import Views, same_elements, turned
from fieldspec.analysis.trace.tensors.deferred import Deferred
from fieldspec.analysis.trace.tensors.held_values import HeldValues
from fieldspec.analysis.trace.tensors.unknown import unknown
from fieldspec.analysis.trace.values import Value

CHANGED = "a part changed in place"


class Writes(Deferred[Value | None]):
    """Propagates a write to the whole memory if possible; otherwise marks tensors as stale until they are read."""

    def __init__(self, record: Recorder, held: HeldValues) -> None:
        super().__init__(record, held)  # of a tensor changed through another, the value written
        self.views = Views()

    def note_views(self, func: OpOverload, args: Any, out: Any) -> None:
        """Record which results share memory with an argument."""
        self.views.note(func, args, out)

    def replace(self, tensor: Tensor, value: Value | None) -> None:
        """Set the value of a tensor that was written as a whole."""
        self._unread.pop(id(tensor), None)
        self.held.hold(tensor, value)

    def write(self, part: Tensor, value: Value | None) -> None:
        """Record a write to a tensor, and through it to the tensors that share its memory."""
        base = self.views.base(part)
        held = value if base is part else self._whole(base, part, value)
        for other in self.views.sharing(part):
            if other is base:
                continue
            if id(base) not in self._unread and same_elements(other, base):
                self.replace(other, held and Value(held.node, reshaped(held.layout, tuple(other.shape))))
            elif id(base) not in self._unread and (order := turned(other, base)) is not None:
                layout = [() if at is None or held is None else held.layout[at] for at in order]
                self.replace(other, held and Value(held.node, tuple(layout)))
            elif value and same_elements(other, part):
                self.replace(other, Value(value.node, reshaped(value.layout, tuple(other.shape))))
            elif self.held.value(other) is not value:
                self._unread[id(other)] = value

    def _whole(self, base: Tensor, part: Tensor, value: Value | None) -> Value | None:
        """Value of the whole memory after a part of it was written."""
        before = len(self.record.graph)
        held = value
        try:
            if id(base) in self._unread:
                raise LayoutError(CHANGED)
            held = with_part(self.record, self.held.value, base, part, value)
            self.replace(base, held)
        except LayoutError:
            self.record.forget(before)
            self._unread[id(base)] = value
        return held

    def _read(self, tensor: Tensor, known: Value | None) -> None:
        values = [value for value in (self.held.value(tensor), known) if value is not None]
        self.held.hold(tensor, unknown(self.record, tensor, "in-place", values, CHANGED))
