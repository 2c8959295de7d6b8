"""Tracks the running module: which call each node belongs to, and what each call returns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.modules.pooling import _AdaptiveMaxPoolNd, _AvgPoolNd, _MaxPoolNd

from fieldspec.analysis.report.returned_tensor import ReturnedTensor
from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.recording import ModuleCall
from fieldspec.analysis.trace.tracer import Tracer
from fieldspec.analysis.trace.values import Value
from fieldspec.blocks.layers import Dropout, DropPath, Identity, Layer, Opaque

WINDOWS = (_ConvNd, _MaxPoolNd, _AvgPoolNd)
WITH_INDICES = (_MaxPoolNd, _AdaptiveMaxPoolNd)

Watched = tuple[dict[str, int], dict[str, ReturnedTensor], dict[str, int]]


@contextmanager
def watched(module: nn.Module, record: Recorder, tracer: Tracer) -> Iterator[Watched]:
    """Track submodule calls; yields the node and the tensor that each call returned, the number of calls per path."""
    paths: dict[int, str] = {}
    for path, part in module.named_modules():
        paths.setdefault(id(part), path)
    numbers: dict[str, int] = {}
    module_outputs: dict[str, int] = {}
    returned: dict[str, ReturnedTensor] = {}
    stack: list[tuple[ModuleCall, int]] = []

    def enter(part: nn.Module, args: Any) -> None:
        path = paths.get(id(part))
        if path is None:
            return
        numbers[path] = numbers.get(path, 0) + 1
        stack.append((record.call, len(record.graph)))
        record.call = ModuleCall(path, numbers[path], isinstance(part, WINDOWS))

    def leave(part: nn.Module, args: Any, output: Any) -> None:
        if id(part) not in changed:
            note(part, args, output)

    def note(part: nn.Module, args: Any, output: Any) -> None:
        if id(part) not in paths or not stack:
            return
        outer, first = stack.pop()
        if isinstance(output, Tensor):
            _let_go(record, first)
        several = isinstance(output, tuple) and output
        main = output[0] if several else output
        value = tracer.held.value(main) if isinstance(main, Tensor) else None
        if value is not None and several and isinstance(part, WITH_INDICES):
            record.graph.indices.setdefault(value.node, value.node)
        if value is not None and record.call.path:
            if not any(True for _ in part.children()):
                value = settled(main, record, tracer, value)
                idle = main is output and len(record.graph) == first
                value = _idle(part, main, record, tracer, value) if idle else value
            if record.is_plain(value):
                module_outputs[record.call.key] = value.node
                returned[record.call.key] = returned_by(value)
        record.call = outer

    handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    hooked = [part for part in module.modules() if part._forward_hooks]
    changed = {id(part) for part in hooked}  # their own hooks may return another map: look after the last hook
    handles += [part.register_forward_hook(note) for part in hooked]
    try:
        yield module_outputs, returned, numbers
    finally:
        for handle in handles:
            handle.remove()


def returned_by(value: Value) -> ReturnedTensor:
    """The layout in which a tensor with this value holds its map."""
    return ReturnedTensor(value.layout, tuple([(one.dim, one.count) for one in value.beside]))


def _let_go(record: Recorder, first: int) -> None:
    """Free the further results of a module that returns only one tensor, at the end of its call."""
    for node, call in zip(record.graph.nodes[first:], record.calls[first:], strict=True):
        if isinstance(node.layer, Opaque) and node.layer.beside and call is record.call:
            node.layer = replace(node.layer, beside=0)


def settled(output: Tensor, record: Recorder, tracer: Tracer, value: Value) -> Value:
    """The output of a module as a map, if it is one: views that turn channels into patches become layers."""
    if len(value.layout) == 2 + record.axes and not record.is_plain(value):
        with suppress(LayoutError):
            value = record.settled(value)
            tracer.held.hold(output, value)
    return value


def _idle(part: nn.Module, output: Tensor, record: Recorder, tracer: Tracer, value: Value) -> Value:
    """The node of a module without computation: dropout in eval mode, identity, flatten, a view."""
    shape = record.shape(value)
    name = type(part).__name__
    layer: Layer = Identity()
    if isinstance(part, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        layer = Dropout(float(part.p), whole_channels=not isinstance(part, nn.Dropout))
    elif name in ("DropPath", "StochasticDepth"):
        layer = DropPath(float(getattr(part, "drop_prob", getattr(part, "p", 0.0)) or 0.0))
    elif isinstance(part, nn.Flatten) and output.dim() == 2 and len(shape) > 1:
        flat = record.flattened(record.filled(value, range(2)))
        tracer.held.hold(output, flat)
        return flat
    made = replace(value, node=record.add(name.lower(), layer, [value.node], shape))
    record.graph.nodes[made.node].beside = record.graph.nodes[value.node].beside
    tracer.held.hold(output, made)
    return made
