"""Tensors that are recorded only once they are read."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Generic, TypeVar

from torch import Tensor

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tensors.held_values import HeldValues

T = TypeVar("T")


class Deferred(Generic[T]):
    """Keeps what is known of tensors until one of them is read, which most never are."""

    def __init__(self, record: Recorder, held: HeldValues) -> None:
        self.record, self.held = record, held
        self._unread: dict[int, T] = {}  # by the identity of the tensors

    def read(self, tensors: Iterable[Tensor]) -> None:
        """Record the tensors that have not been read so far."""
        if self._unread:
            for tensor in tensors:
                if id(tensor) in self._unread:
                    self._read(tensor, self._unread.pop(id(tensor)))

    @abstractmethod
    def _read(self, tensor: Tensor, known: T) -> None:
        """Record a tensor that is read."""
