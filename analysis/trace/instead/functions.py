"""Functions of torch before it takes them apart: some are spared values, for some an operation of our own stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor
from torch.distributions import Distribution
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from fieldspec.analysis.trace.instead.operations import operation
from fieldspec.analysis.trace.instead.sequences import pack, recurrent, unpack
from fieldspec.analysis.trace.instead.spectra import stft
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tracer import Tracer

TO_VALUES = {Tensor.numpy, Tensor.tolist, Tensor.__array__}  # which are no operations of torch


class Values(TorchFunctionMode):
    """Spares functions what torch would do with values.

    Lists that choose channels become tensors here: torch would make them where the map is, and there they have no
    values. Autocast is off: it would turn the weights, and not a map that has no values.
    """

    def __init__(self, record: Recorder, tracer: Tracer) -> None:
        super().__init__()
        self.record, self.tracer = record, tracer
        self.inference = torch.is_inference_mode_enabled()  # the caller's own

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inference = torch.is_inference_mode_enabled() != self.inference
        if func is torch._C._set_grad_enabled or inference:  # tracing is without gradients, so this is the module's own
            self.record.graph.gradient_cut = True
        if func in TO_VALUES and args[0].is_meta:
            raise self.tracer.meta.stopped(func.__name__, args)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            tensor, chosen, *rest = args
            args = (tensor, _numbers(chosen), *rest)
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
            if "device" not in str(error):
                raise
        self.record.forget(first)
        args, kwargs = tree_map_only(Tensor, self.tracer.meta.ghost, (args, kwargs))
        with self.tracer.meta.nothing_computed():
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
    """An index in which lists and masks that have values are the numbers of what they choose."""
    parts = list(index) if isinstance(index, tuple) else [index]
    made: list[Any] = []
    for part in parts:
        is_list = isinstance(part, list) and part and all(isinstance(one, int) for one in part)
        numbers = torch.tensor(part, device="cpu") if is_list else part
        if isinstance(numbers, Tensor) and numbers.dtype == torch.bool and not numbers.is_meta and numbers.dim():
            made += numbers.nonzero().unbind(1)
        else:
            made.append(numbers)
    return tuple(made) if isinstance(index, tuple) or len(made) > 1 else made[0]


def stand_in(function: Any, args: Any, kwargs: Any) -> Callable[..., Any]:
    """What is called instead of a function of torch: an operation that is recorded whole, or the function itself."""
    if function is F.pad and (args[2:3] == ("circular",) or kwargs.get("mode") == "circular"):
        return _circular
    if function in INSTEAD and not (function is Tensor.type and (len(args) > 1 or kwargs)):
        return INSTEAD[function]
    return recurrent(function, args) or function


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
    torch._pack_padded_sequence: pack,
    torch._pad_packed_sequence: unpack,
    torch.stft: stft,
}
_RMS_NORM = operation(
    "rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor",
    torch.rms_norm,
    "CompositeExplicitAutograd",
)
INSTEAD |= dict.fromkeys((F.rms_norm, torch.rms_norm), _RMS_NORM)


def _circular(input: Tensor, pad: Any, mode: str, value: Any = None) -> Tensor:
    padded: Tensor = _PAD(input, list(pad))
    return padded


def _pad(x: Tensor, padding: list[int]) -> Tensor:
    """Torch's own: it refuses what it refuses, and constants have values."""
    padded: Tensor = torch._C._nn.pad(x, padding, "circular")
    return padded


_PAD = operation("circular_pad(Tensor input, int[] padding) -> Tensor", _pad, "CompositeExplicitAutograd")
