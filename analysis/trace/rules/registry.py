"""The table of trace rules: which layer represents a torch operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor

from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Layer, Shape


@dataclass(slots=True)
class Op:
    """One call of an operation under the tracer: its arguments, their values, and its results on the meta device."""

    name: str  # as in torch.ops.aten, without in-place suffixes
    record: Recorder
    schema: Sequence[str]  # names of the arguments
    args: Sequence[Any]
    kwargs: dict[str, Any]
    out: Any
    values: Callable[[Any], Value | None]

    def arg(self, name: str, default: Any = None) -> Any:
        """An argument by name, whether passed by position or by keyword."""
        if name in self.kwargs:
            return self.kwargs[name]
        at = self.schema.index(name)
        return self.args[at] if at < len(self.args) else default

    @property
    def input(self) -> Value:
        """The value of the first argument.

        Raises:
            LayoutError: It does not depend on the network's input.
        """
        value = self.values(self.args[0])
        if value is None:
            raise LayoutError("weights where a map is expected")
        return value

    @property
    def sizes(self) -> tuple[int, ...]:
        """Shape of the (first) result, including the batch."""
        return tuple(self.result.shape)

    @property
    def result(self) -> Tensor:
        """The (first) result."""
        found: Tensor = self.out if isinstance(self.out, Tensor) else self.out[0]
        return found

    def add(self, layer: Layer, inputs: Sequence[Value], shape: Shape) -> int:
        """Add a node for this operation."""
        return self.record.add(self.name, layer, [value.node for value in inputs], shape)


Result = Value | None | list[Value | None]
TraceRule = Callable[[Op], Result]
AnyRule = TypeVar("AnyRule", bound=TraceRule)
UserRule = Callable[..., Layer]
RULES: dict[str, TraceRule] = {}
USER_RULES: dict[str, UserRule] = {}


def rule(*names: str) -> Callable[[AnyRule], AnyRule]:
    """Register a rule for operations with these names, without the prefix `aten::`."""

    def register(function: AnyRule) -> AnyRule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


def register_rule(operation: Any) -> Callable[[UserRule], UserRule]:
    """Teach the tracer an operation: a function from shapes and settings to a layer of `fieldspec.blocks`.

    The function is called with the operation's arguments, with each map replaced by its shape (channels, *axes) and
    each weight by its full shape. The returned layer reads all maps, in their order. If torch has no meta kernel for
    the operation, the layer's `output_shape` gives the result's shape.

    Args:
        operation: `torch.ops.mylib.blur`, or its name, "mylib::blur".

    Raises:
        TypeError: `operation` is neither an operation nor the name of one.
    Example:
        >>> from fieldspec.blocks.layers import Conv
        >>> @register_rule("mylib::blur")
        ... def blur(x, radius):
        ...     size = 2 * radius + 1
        ...     return Conv(x[0], x[0], (size, size), padding=((radius, radius),) * 2, groups=x[0])
    """
    name = operation if isinstance(operation, str) else _qualified(operation)

    def register(function: UserRule) -> UserRule:
        USER_RULES[name] = function
        return function

    return register


def _qualified(operation: Any) -> str:
    name = getattr(operation, "_qualified_op_name", None) or getattr(operation, "_name", None)
    if not isinstance(name, str):
        raise TypeError(f"{operation!r} is not an operation of torch; pass torch.ops.library.name or 'library::name'")
    return name.split(".")[0]
