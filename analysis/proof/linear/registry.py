"""The table of rules, what a rule is told of its call, and what is raised where there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

LinearRule = Callable[..., Any]
RULES: dict[str, LinearRule] = {}
ELEMENTWISE: set[str] = set()  # rules that change no element's dependence, unless another tensor comes in


class Unmeasurable(Exception):  # noqa: N818  # not an error of the module
    """A number that cannot be measured on this module; the message says why."""


class WrongSizeError(Unmeasurable):
    """It cannot be measured on this input; it may be on another one."""


class FunctionCall(NamedTuple):
    """One call of a torch function whose operands depend on the input: full shapes, batch first."""

    name: str
    operands: tuple[tuple[int, ...], ...]
    output: tuple[int, ...] = ()


class Here(NamedTuple):
    """A call now, at the module's own input (`own`), and on an input that is shorter along the axis (`near`)."""

    now: FunctionCall
    own: FunctionCall | None = None
    near: FunctionCall | None = None

    def grown(self, operand: int = 0) -> set[int]:
        """Dimensions of an operand that follow the length of the input: those along the axis that is measured."""
        if self.near is None:
            return set()
        pair = self.now.operands[operand], self.near.operands[operand]
        return {dim for dim, (now, near) in enumerate(zip(*pair, strict=True)) if now != near}

    def loses_place(self, dims: set[int], operand: int = 0) -> bool:
        """Whether reducing these dimensions leaves none that follows the input."""
        grown = self.grown(operand)
        return bool(grown) and grown <= dims


def words(text: str) -> tuple[str, ...]:
    """The names in a text: a table of hundreds is read more easily without quotes."""
    return tuple(text.split())


def rule(*names: str) -> Callable[[LinearRule], LinearRule]:
    """Register a rule ``(run, here, func, *args, **kwargs) -> output`` for the torch functions of these names.

    A name is that of the function, the method and the operator alike, without underscores: `add` stands for
    ``torch.add, Tensor.add_, Tensor.__iadd__`` and ``+``.
    """

    def register(function: LinearRule) -> LinearRule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register
