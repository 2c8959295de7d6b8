"""Intercepts torch functions before they are decomposed: avoids reading values, and substitutes our own operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's convention
from torch import Tensor
from torch.distributions import Distribution
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from fieldspec.analysis.trace.instead.operations import operation
from fieldspec.analysis.trace.instead.sequences import pack, recurrent, unpack
from fieldspec.analysis.trace.instead.spectra import istft, stft
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tracer import Tracer

TO_VALUES = {Tensor.numpy, Tensor.tolist, Tensor.__array__}  # not operations of torch


class Values(TorchFunctionMode):
    """Runs functions in a way that does not need tensor values.

    Lists that select channels become tensors here: torch would create them on the map's device, where they have no
    values. Autocast is disabled: it would convert the weights, but not a map without values.
    """

    def __init__(self, record: Recorder, tracer: Tracer) -> None:
        super().__init__()
        self.record, self.tracer = record, tracer
        self.inference = torch.is_inference_mode_enabled()  # of the caller

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inference = torch.is_inference_mode_enabled() != self.inference
        if func is torch._C._set_grad_enabled or inference:  # tracing has gradients off, so this is the module's call
            self.record.graph.gradient_cut = True
        if func in TO_VALUES and args[0].is_meta:
            raise self.tracer.meta.stopped(func.__name__, args)
        if func in (Tensor.__getitem__, Tensor.__setitem__):
            tensor, chosen, *rest = args
            args = (tensor, self._numbers(chosen), *rest)
        casts = [device for device in ("cpu", "cuda") if torch.is_autocast_enabled(device)]
        if not casts:
            return self._called(func, args, kwargs)
        with ExitStack() as stack:
            for device in casts:
                stack.enter_context(torch.autocast(device, enabled=False))
            return self._called(func, args, kwargs)

    def _called(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call a function; if it refuses to mix devices, as only in tracing, constants move to the meta device."""
        first = len(self.record.graph)
        try:
            return stand_in(func, args, kwargs)(*args, **kwargs)
        except RuntimeError as error:
            if "device" not in str(error).lower():
                raise
        self.record.forget(first)
        args, kwargs = tree_map_only(Tensor, self.tracer.meta.ghost, (args, kwargs))
        with self.tracer.meta.nothing_computed():
            return func(*args, **kwargs)

    def _numbers(self, index: Any) -> Any:
        """Convert lists and masks with values in an index to the indices that they select."""
        parts = list(index) if isinstance(index, tuple) else [index]
        made: list[Any] = []
        for part in parts:
            is_list = isinstance(part, list) and part and all(isinstance(one, int) for one in part)
            numbers = torch.tensor(part, device="cpu") if is_list else part
            if isinstance(numbers, Tensor) and numbers.dtype == torch.bool and not numbers.is_meta and numbers.dim():
                made += self._chosen_by(numbers)
            else:
                made.append(numbers)
        return tuple(made) if isinstance(index, tuple) or len(made) > 1 else made[0]

    def _chosen_by(self, mask: Tensor) -> list[Tensor]:
        """The indices that a mask selects; autograd keeps the mask, unless it is one of the network's own."""
        numbers = list(mask.nonzero().unbind(1))
        self.tracer.held.keep(numbers)
        self.record.masks.update({id(one): 0 for one in numbers})
        self.record.masks[id(numbers[0])] = 0 if self.tracer.weights.lies_in_one(mask) else mask.nbytes
        return numbers


@contextmanager
def unvalidated() -> Iterator[None]:
    """Disable the validation of distribution parameters, which have no values."""
    asked = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(asked)


def stand_in(function: Any, args: Any, kwargs: Any) -> Callable[..., Any]:
    """The replacement for a torch function: an operation recorded as a whole, or the function itself."""
    if function is F.pad and (args[2:3] == ("circular",) or kwargs.get("mode") == "circular"):
        return _circular
    if function in INSTEAD and not (function is Tensor.type and (len(args) > 1 or kwargs)):
        return INSTEAD[function]
    return recurrent(function, args) or function


def _type_of(tensor: Tensor) -> str:
    """Name of the tensor type, to create constants of this type with values."""
    with torch._C.DisableTorchFunction():
        return tensor.type().replace("torch.meta.", "torch.")


def _replace_data(tensor: Tensor, data: Tensor) -> None:
    """`Tensor.data = ...` in the forward pass: the weight keeps its shape, which is all that matters here."""


def _no_nested(*args: Any) -> bool:
    """Disable nested tensors, which would need the values of a mask; torch has an alternative."""
    return False


def _with_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a factory function so that its constants are created on a device with values."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> Any:
        if device is not None:
            kwargs["device"] = "cpu" if torch.device(device).type == "meta" else device
        return function(*args, **kwargs)

    return made


INSTEAD: dict[Any, Callable[..., Any]] = {
    Tensor.type: _type_of,
    Tensor.data.__set__: _replace_data,  # type: ignore[attr-defined]  # a descriptor of C
    torch._nested_tensor_from_mask_left_aligned: _no_nested,
    torch._pack_padded_sequence: pack,
    torch._pad_packed_sequence: unpack,
    torch.stft: stft,
    torch.istft: istft,
    **{function: _with_values(function) for function in (torch.tensor, torch.tril_indices, torch.triu_indices)},
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
    """Torch's own padding, with its checks; constants have values."""
    padded: Tensor = torch._C._nn.pad(x, padding, "circular")
    return padded


_PAD = operation("circular_pad(Tensor input, int[] padding) -> Tensor", _pad, "CompositeExplicitAutograd")
