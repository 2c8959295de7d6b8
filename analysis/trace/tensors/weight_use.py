"""Which weights each tensor depends on, and which operation reads each weight first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tensors.held_values import HeldValues

NONE = frozenset[int]()


class WeightUse:
    """Tracks parameters and buffers, by id, through everything computed from them."""

    def __init__(self, record: Recorder, held: HeldValues) -> None:
        self.record, self.held = record, held
        self.owned: list[tuple[int, set[int]]] = []  # (node, ids of the weights that it reads first)
        self.computed_weights = False  # whether it reads computed weights, such as standardized ones
        self._names: dict[int, tuple[str, int]] = {}  # (name, number of elements)
        self._weights: dict[int, frozenset[int]] = {}  # the weights that a tensor depends on
        self._trained: set[int] = set()
        self._read: set[int] = set()
        self._computed: set[int] = set()  # tensors computed from weights

    def __contains__(self, tensor: Tensor) -> bool:
        return id(tensor) in self._weights

    def name(self, name: str, tensor: Tensor) -> None:
        """Register a parameter or buffer of the module."""
        self._names.setdefault(id(tensor), (name, tensor.numel()))
        self._weights[id(tensor)] = frozenset((id(tensor),))
        if tensor.requires_grad:
            self._trained.add(id(tensor))

    def stand_for(self, ghost: Tensor, tensor: Tensor) -> None:
        """Give a tensor without values the weights of the tensor that it replaces."""
        if id(tensor) in self._weights:
            self._weights[id(ghost)] = self._weights[id(tensor)]

    def note(self, tensors: Sequence[Tensor], made: Iterable[Tensor], *, is_view: bool) -> bool:
        """Record the results of an operation on tensors that are not maps; returns whether they depend on weights."""
        weights = NONE.union(*[self._weights.get(id(tensor), NONE) for tensor in tensors])
        computed = bool(weights) and (not is_view or any(id(one) in self._computed for one in tensors))
        for tensor in made:
            self._weights[id(tensor)] = weights
            if computed:
                self._computed.add(id(tensor))
        return bool(weights)

    def note_written(self, base: Tensor, part: Tensor) -> None:
        """Update the weights that a tensor depends on after a part of it was written."""
        self._weights[id(base)] = self._weights.get(id(base), NONE) | self._weights[id(part)]
        self._computed.add(id(base))

    def names_of(self, tensors: Iterable[Tensor]) -> list[str | None]:
        """Names of the weights that tensors are, whole and unchanged; None for tensors computed from weights."""
        return [self._name_of(tensor) for tensor in tensors if self._weights.get(id(tensor))]

    def _name_of(self, tensor: Tensor) -> str | None:
        held = self._weights[id(tensor)]
        if len(held) > 1 or id(tensor) in self._computed:
            return None
        name, elements = self._names.get(next(iter(held)), ("", -1))
        return name if elements == tensor.numel() else None

    def lies_in_one(self, tensor: Tensor) -> bool:
        """Whether a tensor is a weight or a view of one, and so takes no memory of its own."""
        return len(self._weights.get(id(tensor), NONE)) == 1 and id(tensor) not in self._computed

    def own(self, tensors: Sequence[Tensor], made: Sequence[Tensor], before: int) -> None:
        """Make the first node that reads weights count them: if an operation adds several, its first result."""
        weights = NONE.union(*[self._weights.get(id(tensor), NONE) for tensor in tensors])
        self.computed_weights |= any(id(tensor) in self._computed for tensor in tensors)
        if len(self.record.graph) == before:
            return
        value = self.held.value(made[0]) if made else None
        node = value.node if value and value.node >= before else len(self.record.graph) - 1
        self.record.graph.nodes[node].trains |= bool(weights & self._trained)
        read = set(weights - self._read)
        if read:
            self._read |= read
            self.owned.append((node, read))
