"""Runs torch operations on tensors without memory: computes shapes, and values of small constants only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from fieldspec.analysis.trace.endings.stops import StopTrace, needs_values
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.registry import USER_RULES
from fieldspec.analysis.trace.shapes import META, outcome
from fieldspec.analysis.trace.source_places import place_in_source
from fieldspec.analysis.trace.tensors.aliasing import MAX_CONSTANT
from fieldspec.analysis.trace.tensors.held_values import HeldValues
from fieldspec.analysis.trace.tensors.nested import mapped, tensors_in
from fieldspec.analysis.trace.tensors.weight_use import WeightUse


class MetaRun:
    """Runs the network's operations; weights are replaced by tensors with a shape and no memory."""

    def __init__(self, record: Recorder, held: HeldValues, weights: WeightUse) -> None:
        self.record, self.held, self.weights = record, held, weights
        self._ghosts: dict[int, tuple[Tensor, Tensor]] = {}
        self._written: set[int] = set()  # memory whose values are outdated, since the network would have changed it
        self._computes = True  # constants have values

    @contextmanager
    def nothing_computed(self) -> Iterator[None]:
        """Context in which constants have no values either: they are on the map's device."""
        self._computes = False
        try:
            yield
        finally:
            self._computes = True

    def constants(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Create a tensor that does not depend on the input, with values, whatever the device (``device=x.device``)."""
        out = func(*args, **kwargs)
        if kwargs.get("device") is None or torch.device(kwargs["device"]) != META or not self._computes:
            return out
        small = all(leaf.numel() <= MAX_CONSTANT for leaf in tree_leaves(out) if isinstance(leaf, Tensor))
        return func(*args, **{**kwargs, "device": "cpu"}) if small else out

    def is_setting(self, tensor: Tensor) -> bool:
        """Whether a weight has values that control flow may depend on: counters, tables, single numbers."""
        small = tensor.numel() == 1 or not (tensor.is_floating_point() or tensor.is_complex())
        return small and not tensor.is_meta and storage_of(tensor) not in self._written

    def run(self, func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operation on the meta device, or by a user rule if it has no meta kernel."""
        if kwargs.get("device") is not None:
            kwargs["device"] = META
        if kwargs.get("pin_memory"):
            kwargs["pin_memory"] = False
        if (told := outcome(func, args, kwargs)) is not None:
            return told
        try:
            out = func(*mapped(self.ghost, args), **mapped(self.ghost, kwargs))
        except (NotImplementedError, RuntimeError):  # what torch raises if there is no kernel
            rule = USER_RULES.get(func._schema.name)
            if rule is None and needs_values(func):
                raise self.stopped(func._schema.name, (args, kwargs)) from None
            if rule is None and (made := _on_ones(func, args, kwargs)) is not None:
                return made
            if rule is None:
                raise
            return self._as_ruled(rule, args, kwargs)
        if not func._schema.is_mutable:
            return out
        self._written.update(storage_of(tensor) for tensor in tensors_in(args) if not tensor.is_meta)
        given = {id(self.ghost(leaf)): leaf for leaf in tensors_in((args, kwargs))}
        return mapped(lambda tensor: given.get(id(tensor), tensor), out)

    def _as_ruled(self, rule: Any, args: Any, kwargs: dict[str, Any]) -> Tensor:
        layer = rule(*self.held.shapes(self.record, args), **kwargs)
        like = next(leaf for leaf in tree_leaves((args, kwargs)) if self.held.value(leaf) is not None)
        shapes = [self.record.shape(value) for value in map(self.held.value, tree_leaves(args)) if value is not None]
        return torch.empty(1, *layer.output_shape(*shapes), dtype=like.dtype, device=META)

    def stopped(self, operation: str, given: Any) -> StopTrace:
        """The exception that ends the trace at an operation that needs the values of its arguments."""
        sources = [value.node for value in self.held.values_in(given)]
        name = operation.removeprefix("aten::").replace("_local_scalar_dense", "item")  # as written in source code
        return StopTrace(name, place_in_source(), sources)

    def ghost(self, tensor: Tensor) -> Tensor:
        """A tensor of the same sizes without values, in place of one with values."""
        if tensor.is_meta:
            return tensor
        if id(tensor) not in self._ghosts:
            with _disable_current_modes():  # otherwise it would be a constant
                ghost = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
            self._ghosts[id(tensor)] = (tensor, ghost)
            self.weights.stand_for(ghost, tensor)
        return self._ghosts[id(tensor)][1]


def storage_of(tensor: Tensor) -> int:
    """An id of the memory, the same for all views of it."""
    return int(tensor.untyped_storage()._cdata)


def _on_ones(func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
    """Results of an operation without a meta kernel, from a run on ones; None if that is large or fails."""

    def ones(tensor: Tensor) -> Tensor:
        return torch.ones(tensor.shape, dtype=tensor.dtype) if tensor.is_meta else tensor

    def bare(tensor: Tensor) -> Tensor:
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)

    given = tensors_in((args, kwargs))
    if func.namespace != "aten" or func._schema.is_mutable or sum(tensor.numel() for tensor in given) > MAX_CONSTANT:
        return None
    with _disable_current_modes(), suppress(NotImplementedError, RuntimeError):
        out = func(*mapped(ones, args), **mapped(ones, {**kwargs, **({"device": "cpu"} if "device" in kwargs else {})}))
        if all(tensor.layout == torch.strided for tensor in tensors_in(out)):
            return mapped(bare, out)
    return None
