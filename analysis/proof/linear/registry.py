"""The table of linear rules, the context that rules get, and the exceptions of missing ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

LinearRule = Callable[..., Any]
RULES: dict[str, LinearRule] = {}
ELEMENTWISE: set[str] = set()  # rules that keep each element's dependence, unless they have another operand


class Unmeasurable(Exception):  # noqa: N818  # not an error of the module
    """A number cannot be measured on this module; the message says why."""


class WrongSizeError(Unmeasurable):
    """A number cannot be measured on this input, but possibly on another one."""


class FunctionCall(NamedTuple):
    """A call of a torch function whose operands depend on the input: full shapes, batch first."""

    name: str
    operands: tuple[tuple[int, ...], ...]
    output: tuple[int, ...] = ()


class Here(NamedTuple):
    """A call now, at the module's own input (`own`), and on an input that is shorter along the axis (`near`)."""

    now: FunctionCall
    own: FunctionCall | None = None
    near: FunctionCall | None = None

    def grown(self, operand: int = 0) -> set[int]:
        """Dimensions of an operand that follow the length of the input along the measured axis."""
        if self.near is None:
            return set()
        pair = self.now.operands[operand], self.near.operands[operand]
        return {dim for dim, (now, near) in enumerate(zip(*pair, strict=True)) if now != near}

    def loses_place(self, dims: set[int], operand: int = 0) -> bool:
        """Whether no dimension that follows the input is left after reducing these."""
        grown = self.grown(operand)
        return bool(grown) and grown <= dims


def words(text: str) -> tuple[str, ...]:
    """Split a text into names: large tables are easier to read without quotes."""
    return tuple(text.split())


def rule(*names: str) -> Callable[[LinearRule], LinearRule]:
    """Register a rule ``(run, here, func, *args, **kwargs) -> output`` for the torch functions with these names.

    A name covers the function, the method and the operator alike, without underscores: `add` stands for
    ``torch.add, Tensor.add_, Tensor.__iadd__`` and ``+``.
    """

    def register(function: LinearRule) -> LinearRule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register
