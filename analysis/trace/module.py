"""An `nn.Module` to a layer graph: run once on the meta device, nothing computed, nothing allocated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.nn.modules.pooling import _AvgPoolNd, _MaxPoolNd

from fieldspec.analysis.report import Report, report_of
from fieldspec.analysis.trace.layout import LayoutError
from fieldspec.analysis.trace.naming import name_nodes
from fieldspec.analysis.trace.quiet import undisturbed
from fieldspec.analysis.trace.recorder import Call, Recorder, Value
from fieldspec.analysis.trace.tracer import Tracer
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Dropout, DropPath, Identity, Layer, Opaque, Shape

WINDOWS = (_ConvNd, _MaxPoolNd, _AvgPoolNd)


@dataclass(frozen=True)
class Traced:
    """A module's layer graph, and which node each call of a submodule returned."""

    graph: LayerGraph
    ends: Mapping[str, int]  # "path", "path:2", ...: index of a node; "" is the module itself
    unread: tuple[str, ...]  # names of weights that nothing read
    integers: tuple[int, int]  # elements of state that are no floats, and their bytes


def trace_module(module: nn.Module, input_size: Sequence[int] | Sequence[Sequence[int]]) -> Traced:
    """Records the operations of one forward pass in eval mode as a layer graph.

    The module runs on tensors without memory; its own weights are never touched, and it is left as it is: mode,
    hooks, buffers, generators. What no rule is for becomes an `Opaque` layer, with its place in the source.

    Args:
        module: Any module, on any device.
        input_size: (channels, *axes) of one example, without the batch; a list of them for several inputs. Fields
            are in pixels of the first.

    Raises:
        FieldspecError: The module does not run on such an input, or needs values to decide what to do.
    Example:
        >>> traced = trace_module(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU()), (3, 32, 32))
        >>> [(node.id, node.layer.kind, node.shape) for node in traced.graph]
        [('input', 'input', (3, 32, 32)), ('0', 'conv', (8, 15, 15)), ('1', 'act', (8, 15, 15))]
    """
    shapes = _shapes(input_size)
    module = getattr(module, "_orig_mod", module)  # what torch.compile wraps
    record = Recorder()
    tracer = Tracer(record)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
    with undisturbed(module), tracer, _watched(module, record, tracer) as ends:
        for tensor in [*module.parameters(), *module.buffers()]:
            tracer.weight(tensor)
        inputs = [tracer.feed(shape, dtype, "input") for shape in shapes]
        try:
            output = module(*inputs)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError) as error:
            raise _failure(module, record, shapes, error) from error
    outputs = [value.node for value in map(tracer.value, _main_first(output)) if value is not None]
    if not outputs:
        raise FieldspecError(f"{_name(module)}: its output does not depend on its input")
    record.graph.output, record.graph.kept = outputs[0], tuple(outputs[1:])
    record.graph.computed_weights = tracer.computed_weights
    ends[""] = outputs[0]
    name_nodes(record, ends)
    unread, integers = _count_weights(module, record, {w: node for node, weights in tracer.owned for w in weights})
    return Traced(record.graph, ends, unread, integers)


def report_of_module(module: nn.Module, input_size: Sequence[int] | Sequence[Sequence[int]], name: str = "") -> Report:
    """The report of any module: what it costs and sees, as of a spec.

    Raises:
        FieldspecError: As `trace_module`.
    Example:
        >>> report = report_of_module(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)), (3, 32, 32))
        >>> report.features.receptive_field, report.params         # 1 + 2 + 2; 8 * 27 + 8 and 8 * 72 + 8
        ((5, 5), 808)
    """
    traced = trace_module(module, input_size)
    return report_of(
        traced.graph, name or _name(module), ends=traced.ends, unread=traced.unread, integers=traced.integers
    )


def _name(module: nn.Module) -> str:
    return type(module).__name__


def _shapes(input_size: Any) -> list[Shape]:
    many = [input_size] if all(isinstance(size, int) for size in input_size) else list(input_size)
    shapes = [tuple(int(size) for size in shape) for shape in many]
    if not shapes or any(not 1 <= len(shape) <= 4 or min(shape) < 1 for shape in shapes):
        raise FieldspecError(
            f"input_size: needs (channels, height, width) such as (3, 224, 224), without the batch, gets {input_size!r}"
        )
    return shapes


def _main_first(output: Any) -> list[Any]:
    """The tensors of an output: of a mapping or a tuple the first is the main one, of a list the last."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        parts: Iterable[Any] = output.values()
    elif isinstance(output, list):
        parts = reversed(output)
    elif isinstance(output, tuple):
        parts = output
    else:
        parts = vars(output).values() if hasattr(output, "__dict__") else ()
    return [tensor for part in parts for tensor in _main_first(part)]


def _failure(module: nn.Module, record: Recorder, shapes: list[Shape], error: Exception) -> FieldspecError:
    at = f" in {record.call.path}" if record.call.path else ""
    size = " and ".join("x".join(map(str, shape)) for shape in shapes)
    lines = str(error).splitlines() or [type(error).__name__]
    return FieldspecError(f"{_name(module)} does not run without values on {size}: {lines[0]}{at}")


# -------------------------------------------------------------------------------------------------- modules


@contextmanager
def _watched(module: nn.Module, record: Recorder, tracer: Tracer) -> Iterator[dict[str, int]]:
    """Follows which submodule runs, and notes what each of its calls returns."""
    paths: dict[int, str] = {}
    for path, part in module.named_modules():
        paths.setdefault(id(part), path)
    numbers: dict[str, int] = {}
    ends: dict[str, int] = {}
    stack: list[tuple[Call, int]] = []

    def enter(part: nn.Module, args: Any) -> None:
        path = paths.get(id(part))
        if path is None:
            return
        numbers[path] = numbers.get(path, 0) + 1
        stack.append((record.call, len(record.graph)))
        record.call = Call(path, numbers[path], isinstance(part, WINDOWS))

    def leave(part: nn.Module, args: Any, output: Any) -> None:
        if id(part) not in paths or not stack:
            return
        outer, first = stack.pop()
        value = tracer.value(output) if isinstance(output, Tensor) else None
        if value is not None and record.call.path:
            if not any(True for _ in part.children()):
                value = _settled(output, record, tracer, value)
                value = _idle(part, output, record, tracer, value) if len(record.graph) == first else value
            if record.is_plain(value):
                ends[record.call.key] = value.node
        record.call = outer

    handles = [register_module_forward_pre_hook(enter), register_module_forward_hook(leave)]
    try:
        yield ends
    finally:
        for handle in handles:
            handle.remove()


def _settled(output: Tensor, record: Recorder, tracer: Tracer, value: Value) -> Value:
    """What a layer returns as a map, if it is one: views that make patches of channels are layers, too."""
    if len(value.layout) == 2 + record.axes and not record.is_plain(value):
        with suppress(LayoutError):
            value = record.settled(value)
            tracer.hold(output, value)
    return value


def _idle(part: nn.Module, output: Tensor, record: Recorder, tracer: Tracer, value: Value) -> Value:
    """The node of a module that computed nothing: dropout in eval mode, an identity, a flattening, a view."""
    shape = record.shape(value)
    name = type(part).__name__
    layer: Layer = Identity()
    if isinstance(part, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
        layer = Dropout(float(part.p), whole_channels=not isinstance(part, nn.Dropout))
    elif name in ("DropPath", "StochasticDepth"):
        layer = DropPath(float(getattr(part, "drop_prob", getattr(part, "p", 0.0)) or 0.0))
    elif isinstance(part, nn.Flatten) and output.dim() == 2 and len(shape) > 1:
        flat = record.flattened(record.straight(value))
        tracer.hold(output, flat)
        return flat
    made = Value(record.add(name.lower(), layer, [value.node], shape), value.layout)
    tracer.hold(output, made)
    return made


# -------------------------------------------------------------------------------------------------- weights


def _count_weights(
    module: nn.Module, record: Recorder, owner: Mapping[int, int]
) -> tuple[tuple[str, ...], tuple[int, int]]:
    """Gives every weight (by id) to its owner, the first node that reads it; what none reads goes with its module."""
    nodes = record.graph.nodes
    for node in nodes:
        node.params = node.buffers = 0
    state = set(module.state_dict())
    elements: dict[int, tuple[int, bool]] = {}  # id: count, trained
    names: dict[int, str] = {}
    for name, parameter in module.named_parameters():
        elements[id(parameter)] = (parameter.numel(), parameter.requires_grad)
        names[id(parameter)] = name
    for name, buffer in module.named_buffers():
        if name in state:
            elements.setdefault(id(buffer), (buffer.numel(), False))
            names.setdefault(id(buffer), name)
    by_path: dict[str, int] = {}
    for index, call in enumerate(record.calls):
        by_path.setdefault(call.path, index)
    unread = []
    for weight, (count, trained) in elements.items():
        node_index = owner.get(weight)
        if node_index is None:
            home = names[weight].rpartition(".")[0]
            if trained or home not in by_path:
                unread.append(names[weight])
                continue
            node_index = by_path[home]  # a counter beside the statistics of its norm
        node = nodes[node_index]
        if trained:
            node.params = (node.params or 0) + count
        else:
            node.buffers = (node.buffers or 0) + count
    counted = [tensor for name, tensor in module.named_buffers() if name in state and name not in unread]
    whole = [tensor for tensor in counted if not tensor.is_floating_point()]
    return tuple(unread), (sum(tensor.numel() for tensor in whole), sum(tensor.nbytes for tensor in whole))


def opaque_layers(graph: LayerGraph) -> list[tuple[str, Opaque]]:
    """The operations without a rule: their ids, and the layers that say what and where they are."""
    return [(node.id, node.layer) for node in graph.nodes if isinstance(node.layer, Opaque)]
