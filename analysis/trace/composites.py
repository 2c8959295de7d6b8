"""Functions of torch before it takes them apart: some are spared values, for some an operation of our own stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor
from torch.distributions import Distribution
from torch.library import Library
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import register_flop_formula

from fieldspec.analysis.trace.endings.stops import StopTrace
from fieldspec.analysis.trace.recorder import Recorder

RECURRENT = {torch.lstm: "lstm", torch.gru: "gru", torch.rnn_tanh: "rnn_tanh", torch.rnn_relu: "rnn_relu"}
TO_VALUES = {Tensor.numpy, Tensor.tolist, Tensor.__array__}  # which are no operations of torch
_library: Any = Library("fieldspec", "DEF")  # type: ignore[no-untyped-call]  # torch


class Values(TorchFunctionMode):
    """Spares functions what torch would do with values.

    Lists that choose channels become tensors here: torch would make them where the map is, and there they have no
    values. Autocast is off: it would turn the weights, and not a map that has no values.
    """

    def __init__(
        self, record: Recorder, ghost: Callable[[Tensor], Tensor], stopped: Callable[[str, Any], StopTrace]
    ) -> None:
        super().__init__()
        self.record = record
        self.ghost = ghost  # what stands for a constant beside tensors that have no values
        self.stopped = stopped  # what ends the trace at a function that needs values
        self.inference = torch.is_inference_mode_enabled()  # the caller's own

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inference = torch.is_inference_mode_enabled() != self.inference
        if func is torch._C._set_grad_enabled or inference:  # tracing is without gradients, so this is the module's own
            self.record.graph.gradient_cut = True
        if func in TO_VALUES and args[0].is_meta:
            raise self.stopped(func.__name__, args)
        if func is Tensor.__getitem__:
            tensor, chosen = args
            args = (tensor, tuple(map(_numbers, chosen)) if isinstance(chosen, tuple) else _numbers(chosen))
        casts = [device for device in ("cpu", "cuda") if torch.is_autocast_enabled(device)]
        if not casts:
            return self._called(func, args, kwargs)
        with ExitStack() as stack:
            for device in casts:
                stack.enter_context(torch.autocast(device, enabled=False))
            return self._called(func, args, kwargs)

    def _called(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A function's result; where it refuses to mix devices, which are of the trace's making, constants give way."""
        first = len(self.record.graph)
        try:
            return stand_in(func, args, kwargs)(*args, **kwargs)
        except RuntimeError as error:
            tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
            if "device" not in str(error) or len({tensor.is_meta for tensor in tensors}) < 2:
                raise
        self.record.forget(first)
        args, kwargs = tree_map_only(Tensor, self.ghost, (args, kwargs))
        return func(*args, **kwargs)


@contextmanager
def unvalidated() -> Iterator[None]:
    """Distributions do not look at the values of their parameters, which have none."""
    asked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(asked)


def _numbers(index: Any) -> Any:
    if not isinstance(index, list) or not index or not all(isinstance(one, int) for one in index):
        return index
    of_masks = all(isinstance(one, bool) for one in index)
    return torch.tensor([at for at, one in enumerate(index) if one] if of_masks else index)


def stand_in(function: Any, args: Any, kwargs: Any) -> Callable[..., Any]:
    """What is called instead of a function of torch: an operation that is recorded whole, or the function itself."""
    if function is F.pad and (args[2:3] == ("circular",) or kwargs.get("mode") == "circular"):
        return _circular
    if function in INSTEAD and not (function is Tensor.type and (len(args) > 1 or kwargs)):
        return INSTEAD[function]
    kind = RECURRENT.get(function)
    if kind is not None and isinstance(args[-1], bool) and not isinstance(args[2], Tensor):  # no packed sequences
        return _recurrent(kind)
    return function  # type: ignore[no-any-return]  # it is called in any case


def _type_of(tensor: Tensor) -> str:
    """The name of a type, by which constants of the same are made where there are values."""
    with torch._C.DisableTorchFunction():
        return tensor.type().replace("torch.meta.", "torch.")


def _replace_data(tensor: Tensor, data: Tensor) -> None:
    """A weight that takes other values in the forward pass keeps its shape, which is all that counts here."""


def _no_nested(*args: Any) -> bool:
    """Nested tensors would need the values of a mask; torch has a way without."""
    return False


INSTEAD: dict[Any, Callable[..., Any]] = {
    Tensor.type: _type_of,
    Tensor.data.__set__: _replace_data,  # type: ignore[attr-defined]  # a descriptor of C
    torch._nested_tensor_from_mask_left_aligned: _no_nested,
}


def _circular(input: Tensor, pad: Any, mode: str, value: Any = None) -> Tensor:
    padded: Tensor = _PAD(input, list(pad))
    return padded


def _recurrent(kind: str) -> Callable[..., Any]:
    def layer(x: Tensor, states: Any, weights: Any, bias: bool, *settings: Any) -> Any:
        given = [states] if isinstance(states, Tensor) else list(states)
        output, last = _LAYERS[kind](x, given, list(weights), bias, *settings[-2:])
        return output, *last

    return layer


def products(steps: int, weights: list[torch.Size]) -> int:
    """Multiply-adds of a recurrent layer: each number of each matrix once a step."""
    return steps * sum(shape.numel() for shape in weights if len(shape) == 2)


# -------------------------------------------------------------------------------- what torch is told of them


def _operation(signature: str, function: Callable[..., Any], key: str) -> Any:
    name = signature.partition("(")[0]
    _library.define(signature)
    _library.impl(name, function, key)
    return getattr(torch.ops.fieldspec, name)


def _shape_of_layer(x: Tensor, states: list[Tensor], weights: Any, bias: Any, two: bool, first: Any) -> Any:
    """Output (two dimensions of batch and steps, features) and last states."""
    return x.new_empty((*x.shape[:2], states[0].shape[2] * (1 + two))), [torch.empty_like(one) for one in states]


def _flops_of_layer(x: Any, states: Any, weights: Any, *_: Any, **__: Any) -> int:
    return 2 * products(x[0] * x[1], [torch.Size(shape) for shape in weights])


def _pad(x: Tensor, padding: list[int]) -> Tensor:
    """Torch's own: it refuses what it refuses, and constants have values."""
    padded: Tensor = torch._C._nn.pad(x, padding, "circular")
    return padded


_PAD = _operation("circular_pad(Tensor input, int[] padding) -> Tensor", _pad, "CompositeExplicitAutograd")
_LAYER = "(Tensor input, Tensor[] states, Tensor[] weights, bool bias, bool bidirectional, bool batch_first)"
_LAYERS = {
    kind: _operation(f"{kind}{_LAYER} -> (Tensor, Tensor[])", _shape_of_layer, "Meta") for kind in RECURRENT.values()
}
register_flop_formula(list(_LAYERS.values()))(_flops_of_layer)
