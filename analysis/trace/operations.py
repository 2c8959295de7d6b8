"""The torch operation behind each node, with the arguments that a layer graph leaves out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from torch._ops import OpOverload

from fieldspec.analysis.trace.tensors.nested import tensors_in


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a torch operation: its name, and the arguments that are neither maps nor weights."""

    name: str  # as in torch.ops.aten, without in-place suffixes
    settings: Mapping[str, Any]
    weights: tuple[str, ...] = ()  # names of the parameters and buffers it reads, in argument order
    computed: bool = False  # whether some of them are computed from others
    constants: int = 0  # number of further tensors that do not depend on the input
    map_first: bool = True  # whether the first tensor argument is a map

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an argument, or `default` if it was not given."""
        return self.settings.get(name, default)


def settings_of(func: OpOverload, args: Any, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a call that contain no tensor, by name."""
    given = {**dict(zip(_arguments(func), args, strict=False)), **kwargs}
    return {name: value for name, value in given.items() if value is not None and not tensors_in(value)}


@cache
def _arguments(func: OpOverload) -> tuple[str, ...]:
    return tuple([argument.name for argument in func._schema.arguments])
