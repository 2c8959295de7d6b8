"""Runs a module as if it were linear and positive, so that no gradient cancels or vanishes.

In this mode weights are uniform and positive, biases are 0, norms and activations are the identity, max pooling is the
average of the same windows, products and quotients are sums. The module itself is unchanged: torch's functions are
replaced. A function without a rule is refused; it never runs with its own gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from fieldspec.analysis.proof.linear.mapped import looped
from fieldspec.analysis.proof.linear.registry import (
    ELEMENTWISE,
    RULES,
    FunctionCall,
    Here,
    Unmeasurable,
    WrongSizeError,
    words,
)

# they query metadata, not values
QUERIES = words(
    "size dim numel nelement ndimension stride is_contiguous is_floating_point is_complex len hash get_device "
    "element_size storage_offset data_ptr is_signed is_inference is_conj is_neg has_names sizeof "
    "is_tensor repr format"
)
# they create a tensor like another one, with other values
LIKE = words(
    "zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_empty new_full "
    "new_tensor result_type"
)


class Linearized(TorchFunctionMode):
    """Replaces torch's functions by linear ones with positive weights, if an operand depends on the input.

    Args:
        dtype: The module's own dtype, used for everything that does not depend on the input.
        own: Calls recorded at the module's own input size. On a larger input, resizing and adaptive pooling then keep
            their scale factor, and what was broadcast from one unit there is broadcast here.
        near: Calls recorded on an input that is shorter along one axis: sizes that differ follow that axis.
        cut: Stop gradients at operations whose output has no position along that axis.
    """

    def __init__(
        self,
        dtype: torch.dtype = torch.float32,
        own: Sequence[FunctionCall] | None = None,
        near: Sequence[FunctionCall] | None = None,
        *,
        cut: bool = True,
    ) -> None:
        super().__init__()
        self.dtype, self.own, self.near, self.cut = dtype, own, near, cut
        self.calls: list[FunctionCall] = []
        self._written: dict[int, tuple[Tensor, Tensor]] = {}  # tensors written in place: their current values
        self._stale: set[object] = set()  # memory that was written through a view
        self._loops = ExitStack()

    def __enter__(self) -> Linearized:
        self._loops.enter_context(looped())
        super().__enter__()  # type: ignore[no-untyped-call]  # torch
        return self

    def __exit__(self, *raised: Any) -> None:
        self._loops.close()
        super().__exit__(*raised)  # type: ignore[no-untyped-call]  # torch

    def watch(self, x: Tensor) -> Tensor:
        """Mark a tensor as depending on the input."""
        x.depends = True  # type: ignore[attr-defined]  # marks this tensor only
        return x

    def current(self, x: Tensor) -> Tensor:
        """The tensor including everything written into it.

        Raises:
            Unmeasurable: It comes from a script or a custom autograd function, or shares memory that was written.
        """
        while id(x) in self._written:
            x = self._written[id(x)][1]
        node = x.grad_fn
        if node is not None and (not hasattr(x, "depends") or isinstance(node, BackwardCFunction)):
            raise Unmeasurable(f"{node.name().removesuffix('Backward')} is not a function of torch")
        if self._stale and getattr(x, "memory", None) in self._stale:
            raise Unmeasurable("a map is read after a part of it was written in place")
        return x

    def without_position(self, pooled: Tensor) -> Tensor:
        """The output of an operation that has no position along the axis: a constant if these are cut."""
        return pooled.detach() if self.cut else pooled

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        written = func.__name__ if hasattr(func, "__name__") else str(func)
        name = written.strip("_")
        if name == "get":
            return self._attribute(func, args)
        if name == "set":  # behind which torch waits for ever when it is asked where a tensor comes from
            raise Unmeasurable("a tensor is given other memory")
        args, kwargs = tree_map_only(Tensor, self.current, (tuple(args), kwargs))
        operands = [x for x in tensors_in((args, kwargs)) if hasattr(x, "depends")]
        if not operands and any(map(torch._C._functorch.is_functorch_wrapped_tensor, tensors_in((args, kwargs)))):
            raise Unmeasurable("a transformation of torch.func has no linear counterpart")
        if not operands or name in QUERIES:
            with torch.inference_mode(False), torch.no_grad():
                return func(*args, **kwargs)
        if name in LIKE:
            with torch.inference_mode(False), torch.no_grad():
                return func(*tree_map_only(Tensor, self._blank, args), **kwargs)
        if name not in RULES or written in _VALUES or kwargs.get("out") is not None:
            raise Unmeasurable(f"{name} has no linear counterpart")
        here = self._here(FunctionCall(name, tuple(tuple(x.shape) for x in operands)))
        if "input" in kwargs:
            args, kwargs = (kwargs["input"], *args), {key: value for key, value in kwargs.items() if key != "input"}
        with torch.inference_mode(False), torch.enable_grad():
            output = RULES[name](self, here, func, *args, **kwargs)
        in_place = (written.endswith("_") and not written.endswith("__")) or written in _IN_PLACE
        in_place = in_place or _asked(func, args, kwargs)
        if in_place and name in ELEMENTWISE and len(operands) == 1 and operands[0] is args[0]:
            output = args[0]
        for x in tensors_in(output):
            self.watch(x)
        shape = next((tuple(x.shape) for x in tensors_in(output)), ())
        self.calls.append(here.now._replace(output=shape))
        if in_place:
            self.write(args[0], output)
        return output

    def write(self, x: Tensor, value: Tensor) -> None:
        """Make readers of `x` get `value` from now on.

        Raises:
            Unmeasurable: It is a view of memory that does not belong to a map of this run.
        """
        if not hasattr(x, "depends") and x._is_view():
            raise Unmeasurable("a part of a constant is written in place")
        if value is not x:
            self._stale.add(getattr(x, "memory", self))
            self._written[id(x)] = (x, value)

    def _attribute(self, func: Any, args: Any) -> Any:
        x = self.current(args[0])
        attribute = func.__self__.__name__
        if not hasattr(x, "depends"):
            return func(*args)
        if attribute == "dtype":
            return self.dtype
        if attribute == "data":
            return x
        if attribute in ("T", "mT", "H", "mH"):
            last = tuple(range(x.dim())) if attribute in ("T", "H") else (x.dim() - 2, x.dim() - 1)
            order = [*range(x.dim() - len(last)), *reversed(last)]
            return self.__torch_function__(torch.permute, (), (x, order))
        value = func(x)
        if isinstance(value, Tensor):
            raise Unmeasurable(f"{attribute} has no linear counterpart")
        return value

    def _blank(self, x: Tensor) -> Tensor:
        """A constant of the same shape and dtype as in the network."""
        return torch.empty((), dtype=self.dtype, device=x.device).expand(x.shape) if hasattr(x, "depends") else x

    def _here(self, now: FunctionCall) -> Here:
        """The same call at the other input sizes."""
        return Here(now, self._same(now, self.own), self._same(now, self.near))

    def _same(self, now: FunctionCall, calls: Sequence[FunctionCall] | None) -> FunctionCall | None:
        if calls is None:
            return None
        at = len(self.calls)
        ranks = [len(shape) for shape in now.operands]
        if at >= len(calls) or calls[at].name != now.name or [len(shape) for shape in calls[at].operands] != ranks:
            raise WrongSizeError("the network takes another path on a larger input")
        return calls[at]


_VALUES = words("__bool__ __int__ __float__ __index__ __complex__")  # they read values
_IN_PLACE = words("__iadd__ __isub__ __imul__ __itruediv__ __ifloordiv__ __ipow__ __imod__ __setitem__")


def _asked(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether a function of torch.nn.functional was called with `inplace=True`."""
    names: tuple[str, ...] = getattr(getattr(func, "__code__", None), "co_varnames", ())
    if "inplace" not in names:
        return False
    at = names.index("inplace")
    return bool(kwargs.get("inplace", args[at] if len(args) > at else False))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from tensors_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from tensors_in(part)
