"""An `nn.Module` to a layer graph: run once on the meta device, nothing computed, nothing allocated."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.report.report import Report, report_of
from fieldspec.analysis.trace.composites import Values
from fieldspec.analysis.trace.module_calls import settled, watched
from fieldspec.analysis.trace.node_names import name_nodes
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tracer import Tracer
from fieldspec.analysis.trace.weight_counts import count_products, count_weights
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import sizes_text
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Opaque, Shape


@dataclass(frozen=True)
class Traced:
    """A module's layer graph, and which node each call of a submodule returned."""

    graph: LayerGraph
    module_outputs: Mapping[str, int]  # "path", "path:2", ...: index of a node; "" is the module itself
    unread: tuple[str, ...]  # names of weights that nothing read
    fixed_width: tuple[int, int]  # elements of state that are not real floats, and their bytes


def trace_module(module: nn.Module, input_size: Sequence[int] | Sequence[Sequence[int]]) -> Traced:
    """Records the operations of one forward pass in eval mode as a layer graph.

    The module runs on tensors without memory; its own weights are never touched, and it is left as it is: mode,
    hooks, buffers, generators. What no rule is for becomes an `Opaque` layer, with its place in the source.

    Args:
        module: Any module, on any device.
        input_size: (channels, *axes) of one example, without the batch; a list of them for several inputs, where () is
            one number for each example. Fields are in pixels of the first.

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
    with (
        undisturbed(module),
        warnings.catch_warnings(action="ignore"),
        torch.no_grad(),
        Values(record),
        tracer,
        watched(module, record, tracer) as module_outputs,
    ):
        for tensor in [*module.parameters(), *module.buffers()]:
            tracer.weight(tensor)
        inputs = [tracer.feed(shape, dtype, "input") for shape in shapes]
        try:
            output = module(*inputs)
        except FieldspecError:
            raise
        except Exception as error:  # arbitrary code on tensors without values; a rule that fails makes an Opaque
            raise _failure(module, record, shapes, error) from error
    found = [(tensor, tracer.read(tensor)) for tensor in _main_first(output)]
    outputs = [settled(tensor, record, tracer, value).node for tensor, value in found if value is not None]
    if not outputs:
        raise FieldspecError(f"{_name(module)}: its output does not depend on its input")
    record.graph.output, record.graph.kept = outputs[0], tuple(outputs[1:])
    record.graph.computed_weights = tracer.computed_weights
    module_outputs[""] = outputs[0]
    name_nodes(record, module_outputs)
    count_products(record)
    unread, fixed_width = count_weights(module, record, {w: node for node, weights in tracer.owned for w in weights})
    return Traced(record.graph, module_outputs, unread, fixed_width)


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
        traced.graph,
        name or _name(module),
        module_outputs=traced.module_outputs,
        unread=traced.unread,
        fixed_width=traced.fixed_width,
    )


def _name(module: nn.Module) -> str:
    return type(module).__name__


def _shapes(input_size: Any) -> list[Shape]:
    try:
        given = list(input_size)
        many = given if all(isinstance(one, Iterable) for one in given) else [given]
        shapes = [tuple(index(size) for size in shape) for shape in many]
    except TypeError:  # no numbers, or no whole ones
        shapes = []
    if not shapes or not shapes[0] or any(len(shape) > 4 or min(shape, default=1) < 1 for shape in shapes):
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
    lines = str(error).splitlines() or [type(error).__name__]
    return FieldspecError(f"{_name(module)} does not run without values on {sizes_text(shapes)}: {lines[0]}{at}")


def opaque_layers(graph: LayerGraph) -> list[tuple[str, Opaque]]:
    """The operations without a rule: their ids, and the layers that say what and where they are."""
    return [(node.id, node.layer) for node in graph.nodes if isinstance(node.layer, Opaque)]
