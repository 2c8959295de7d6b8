"""The dispatch mode in which a module runs on the meta device while its operations are recorded as layers."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from fieldspec.analysis.modules.products import is_counted, multiply_adds
from fieldspec.analysis.trace.inputs import layout_of
from fieldspec.analysis.trace.operations import Operation, settings_of
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.registry import USER_RULES
from fieldspec.analysis.trace.shapes import META
from fieldspec.analysis.trace.source_places import place_in_source
from fieldspec.analysis.trace.tensors.asides import Asides
from fieldspec.analysis.trace.tensors.held_values import HeldValues
from fieldspec.analysis.trace.tensors.meta_run import MetaRun
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.tensors.operation_results import OperationResults
from fieldspec.analysis.trace.tensors.weight_use import WeightUse
from fieldspec.analysis.trace.tensors.writes import Writes
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.graph import Uncounted
from fieldspec.blocks.layers import Copy, Input

COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Runs operations without values, and records those that depend on the network's input."""

    def __init__(self, record: Recorder) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.record = record
        self.held = HeldValues()
        self.weights = WeightUse(record, self.held)
        self.meta = MetaRun(record, self.held, self.weights)
        self.operations: dict[int, Operation] = {}  # the torch operation of each node
        self._asides = Asides(record, self.held)
        self._writes = Writes(record, self.held)
        self._results = OperationResults(record, self.held, self._writes, self._asides)

    def read(self, tensor: Tensor) -> Value | None:
        """The value of a tensor that is an output of the network."""
        self._writes.read([tensor])
        self._asides.read_at_end(tensor)
        return self.held.value(tensor)

    def feed(self, layer: Input, dtype: torch.dtype) -> Tensor:
        """Create an input as the network takes it, with a batch of one."""
        own = dtype if layer.dtype is None else getattr(torch, layer.dtype)
        with _disable_current_modes():  # otherwise it would be a constant
            tensor = torch.empty(1, *layer.tensor_shape, dtype=own, device=META)
        node = self.record.add("input", layer, (), layer.shape)
        self.held.hold(tensor, Value(node, layout_of(layer)))
        return tensor

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if _is_composite(func):  # under inference_mode torch does not decompose it
            with self:
                return func._op_dk(COMPOSITE, *args, **kwargs)
        if func.is_view and args and self._asides.is_unread(args[0]):
            return self._view_aside(func, args, kwargs)
        tensors = tensors_in((args, kwargs))
        if not func._schema.name.startswith("aten::max_unpool"):
            self._asides.read(tensors)
        self._writes.read(tensors)
        if self.held.holds_any(tensors):
            return self._on_maps(func, args, kwargs, tensors)
        return self._without_maps(func, args, kwargs, tensors)

    def _on_maps(self, func: OpOverload, args: Any, kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
        out = self.meta.run(func, args, kwargs)
        made = self._noted(func, args, out)
        before = len(self.record.graph)
        self._results.record_operation(func, args, kwargs, out, made)
        self._note_uncounted(func, before)
        self.weights.own(tensors, made, before)
        self._note_operation(func, args, kwargs, tensors, before)
        return out

    def _without_maps(self, func: OpOverload, args: Any, kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
        if all(tensor not in self.weights and not tensor.is_meta for tensor in tensors):
            out = self.meta.constants(func, args, kwargs)
            self._count(func, args, kwargs, out)
            self._writes.note_views(func, args, out)
            return out
        settings = not func._schema.is_mutable and all(map(self.meta.is_setting, tensors))
        out = self.meta.constants(func, args, kwargs) if settings else self.meta.run(func, args, kwargs)
        made = self._noted(func, args, out)
        self._count(func, args, kwargs, out)
        if self.weights.note(tensors, made, is_view=func.is_view) and func._schema.is_mutable:
            for tensor in made:
                if (base := self._writes.views.base(tensor)) is not tensor:
                    self.weights.note_written(base, tensor)
        return out

    def _noted(self, func: OpOverload, args: Any, out: Any) -> list[Tensor]:
        """The tensors of a result, kept alive."""
        made = tensors_in(out)
        self.held.keep(made)
        self._writes.note_views(func, args, out)
        return made

    def _view_aside(self, func: OpOverload, args: Any, kwargs: dict[str, Any]) -> Any:
        out = self.meta.run(func, args, kwargs)
        made = tensors_in(out)
        self.held.keep(made)
        self._asides.view(args[0], made)
        return out

    def _count(self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> None:
        """Record products of weights and constants with each other: they count for the module that computes them."""
        if products := multiply_adds(func, args, kwargs, out):
            self.record.weight_macs.append((self.record.call.path, len(self.record.graph), products))
        self._note_uncounted(func, len(self.record.graph))

    def _note_uncounted(self, func: OpOverload, index: int) -> None:
        """Record an operation whose number of multiply-adds is unknown, so that the total is marked as incomplete."""
        if not is_counted(func) and func._schema.name not in USER_RULES:
            operation = func._schema.name.removeprefix("aten::")
            self.record.uncounted.append((self.record.call.path, index, Uncounted(operation, place_in_source())))

    def _note_operation(
        self, func: OpOverload, args: Any, kwargs: dict[str, Any], tensors: list[Tensor], before: int
    ) -> None:
        """Record the call behind the last node that an operation added."""
        if len(self.record.graph) == before:
            return
        others = [tensor for tensor in tensors if tensor not in self.held]
        weights = self.weights.names_of(others)
        node = self.record.graph.nodes[-1]
        if isinstance(node.layer, Copy) and node.layer.index_bytes:
            kept = sum(tensor.nbytes for tensor in others if self.weights.lies_in_one(tensor))
            node.layer = Copy(node.layer.index_bytes - kept)
        self.operations[len(self.record.graph) - 1] = Operation(
            func._schema.name.removeprefix("aten::").removeprefix("fieldspec::").removesuffix("_"),
            settings_of(func, args, kwargs),
            tuple([name for name in weights if name is not None]),
            computed=None in weights,
            constants=len(others) - len(weights),
            map_first=bool(tensors) and tensors[0] in self.held,
        )


def _is_composite(func: OpOverload) -> bool:
    """Whether torch defines an operation by others and there is no user rule for it."""
    return _is_made_of_others(func) and func._schema.name not in USER_RULES


@cache
def _is_made_of_others(func: OpOverload) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func._name, "CompositeImplicitAutograd"))
