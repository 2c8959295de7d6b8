"""What torch was asked for at a node: what a layer graph, which says what is read and what it costs, leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch._ops import OpOverload

from fieldspec.analysis.trace.tensors.nested import tensors_in


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of an operation of torch: its name, and the arguments that are neither maps nor weights."""

    name: str  # as in torch.ops.aten, in-place marks left out
    settings: Mapping[str, Any]
    weights: tuple[str, ...] = ()  # names of the parameters and buffers that it reads, in the order of the arguments
    computed: bool = False  # some of them not as they are, but computed from others
    constants: int = 0  # further tensors that do not depend on the input
    map_first: bool = True  # whether the first tensor among the arguments is a map

    def get(self, name: str, default: Any = None) -> Any:
        """A setting, or what it is where nothing is said."""
        return self.settings.get(name, default)


def settings_of(func: OpOverload, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call that hold no tensor, by their names."""
    given = {**dict(zip(_arguments(func), args, strict=False)), **kwargs}
    return {name: value for name, value in given.items() if value is not None and not tensors_in(value)}


@cache
def _arguments(func: OpOverload) -> tuple[str, ...]:
    return tuple([argument.name for argument in func._schema.arguments])
