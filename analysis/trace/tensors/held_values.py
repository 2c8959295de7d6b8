"""The values of all tensors of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.utils._pytree import tree_map_only

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.values import Value


class HeldValues:
    """The map that each tensor holds if it depends on the network's input; nothing for weights and constants."""

    def __init__(self) -> None:
        self._values: dict[int, tuple[Tensor, Value]] = {}
        self._kept: list[Tensor] = []  # keeps tensors alive, so that ids stay unique

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._values

    def holds_any(self, tensors: Iterable[Tensor]) -> bool:
        """Whether any of the tensors holds a map."""
        return any(id(tensor) in self._values for tensor in tensors)

    def value(self, tensor: Any) -> Value | None:
        """The value of a tensor; None for weights and constants."""
        found = self._values.get(id(tensor))
        return None if found is None else found[1]

    def values_in(self, tree: Any) -> list[Value]:
        """The values of the tensors in nested tuples, lists and dicts."""
        return [self._values[id(tensor)][1] for tensor in tensors_in(tree) if id(tensor) in self._values]

    def shapes(self, record: Recorder, args: Any) -> list[Any]:
        """Arguments for a user rule: maps replaced by their shapes (channels, *axes), weights by theirs."""

        def shape(tensor: Tensor) -> tuple[int, ...]:
            value = self.value(tensor)
            return tuple(tensor.shape) if value is None else record.shape(value)

        return [tree_map_only(Tensor, shape, arg) for arg in args]

    def hold(self, tensor: Tensor, value: Value | None) -> None:
        """Set the value of a tensor."""
        if value is None:
            self._values.pop(id(tensor), None)
        else:
            self._values[id(tensor)] = (tensor, value)

    def keep(self, tensors: list[Tensor]) -> None:
        """Keep these tensors alive as long as the trace."""
        self._kept += tensors
