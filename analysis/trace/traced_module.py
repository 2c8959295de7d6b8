"""Traces an `nn.Module` to a layer graph: one run on the meta device, without computation or allocation."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from fieldspec.analysis.modules.inputs import arguments, unknown_name
from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.report.reading import report_of
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.returned_tensor import ReturnedTensor
from fieldspec.analysis.trace.endings.node_names import name_nodes
from fieldspec.analysis.trace.endings.stops import StopTrace, ends_of, stop_of
from fieldspec.analysis.trace.endings.weight_counts import (
    count_products,
    count_weights,
    fixed_width_of,
    homes_of,
    weights_of,
)
from fieldspec.analysis.trace.inputs import GivenSizes, InputPlan, inputs_of
from fieldspec.analysis.trace.instead.functions import Values, unvalidated
from fieldspec.analysis.trace.module_calls import returned_by, settled, watched
from fieldspec.analysis.trace.operations import Operation
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.tracer import Tracer
from fieldspec.blocks.collector import collector_paused
from fieldspec.blocks.errors import FieldspecError, InputError
from fieldspec.blocks.formatting import first_line, sizes_text
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Opaque


@dataclass(frozen=True)
class Traced:
    """A module's layer graph, and the node that each submodule call returned."""

    graph: LayerGraph
    module_outputs: Mapping[str, int]  # "path", "path:2", ...: index of a node; "" is the module itself
    returned: Mapping[str, ReturnedTensor]  # the layout of each returned tensor
    unread: Mapping[str, int]  # names of weights that nothing reads, with their parameters
    fixed_width: tuple[int, int]  # number of state elements that are not real floats, and their bytes
    output_shape: tuple[int, ...]  # of the main output, without the batch
    operations: Mapping[int, Operation]  # the torch operation of each node; none for views


class Misread(NamedTuple):
    """Signs that an interpretation of the inputs takes the wrong dimensions for axes."""

    opaque: int  # operations without a rule, and views that split axes at non-divisors
    over_axes: int  # convolutions whose channels are an axis
    off_axes: int  # convolutions along channels

    @property
    def places(self) -> tuple[int, int]:
        """The key by which interpretations are compared."""
        return self.opaque + self.over_axes, self.off_axes


def trace_module(module: nn.Module, input_size: GivenSizes) -> Traced:
    """Record the operations of one forward pass in eval mode as a layer graph.

    The module runs on tensors without memory; its own weights are never touched, and it is left as it was: mode,
    hooks, buffers, random generators. An operation without a rule becomes an `Opaque` layer, with its place in the
    source. If the module needs tensor values to continue, the graph ends, and its `stop` says why and what is missing.

    Args:
        module: Any module, on any device.
        input_size: (channels, *axes) of one example, without the batch; a list of these for several inputs, where () is
            one number per example; or a mapping by name. `((50,), "int64")` gives a dtype, which is otherwise the
            network's own, or int64 if that does not run. Dimensions that windows run along are axes, in any order:
            (electrodes, time), (steps, features). Fields are in pixels of the first input with the most axes.

    Raises:
        FieldspecError: The module does not run on this input.
    Example:
        >>> traced = trace_module(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU()), (3, 32, 32))
        >>> [(node.id, node.layer.kind, node.shape) for node in traced.graph]
        [('input', 'input', (3, 32, 32)), ('0', 'conv', (8, 15, 15)), ('1', 'act', (8, 15, 15))]
    """
    module = getattr(module, "_orig_mod", module)  # unwrap torch.compile
    plan = inputs_of(input_size)
    try:
        made, windows, misread = _trace(module, plan)
    except FieldspecError as error:
        if plan.is_typed:
            raise
        try:
            made, windows, misread = _trace(module, plan.of_integers())
        except FieldspecError:
            raise error from None
    if not windows and plan.axes == 1 and misread.opaque:
        windows = 1  # attention may run along assumed channels just as well
    for other in plan.others(windows) if windows else ():  # windows along assumed channels
        with suppress(FieldspecError):
            found, _, others = _trace(module, other)
            if others.over_axes <= misread.over_axes and others.places < misread.places:
                made, misread = found, others
    return made


def _trace(module: nn.Module, plan: InputPlan) -> tuple[Traced, int, Misread]:
    """Trace one interpretation of the inputs; also returns the largest number of window axes that it leaves unknown or
    takes for channels, and the number of convolutions along channels.
    """
    record = Recorder(plan.axes)
    tracer = Tracer(record)
    dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
    with (
        collector_paused(),
        undisturbed(module, buffers=False),  # ghosts stand in for the weights
        warnings.catch_warnings(action="ignore"),
        torch.no_grad(),
        Values(record, tracer),
        unvalidated(),
        tracer,
        watched(module, record, tracer) as (module_outputs, returned, called),
    ):
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            tracer.weights.name(name, tensor)
        args, kwargs = arguments(module, plan.inputs, [tracer.feed(layer, dtype) for layer in plan.inputs])
        stopped = None
        try:
            output = module(*args, **kwargs)
        except StopTrace as stop:
            stopped, output = stop, None
        except FieldspecError:
            raise
        except Exception as error:  # arbitrary code on tensors without values; failing rules make an Opaque
            raise _failure(module, record, plan, error) from error
    found = [(tensor, tracer.read(tensor)) for tensor in _main_first(output)]
    held = [(tensor, value) for tensor, value in found if value is not None]
    ends = [settled(tensor, record, tracer, value) for tensor, value in held]
    outputs = [value.node for value in ends]
    if stopped is not None:
        outputs = ends_of(record, stopped.sources)
    if not outputs:
        raise FieldspecError(f"{_name(module)}: its output does not depend on its input")
    record.graph.output, record.graph.kept = outputs[0], tuple(outputs[1:])
    record.graph.computed_weights = tracer.weights.computed_weights
    if stopped is None:
        module_outputs[""], returned[""] = outputs[0], returned_by(ends[0])
    name_nodes(record, module_outputs)
    count_products(record)
    weights = weights_of(module)
    owner = {weight: node for node, read in tracer.weights.owned for weight in read}
    unread = count_weights(record, weights, owner, homes_of(module))
    if stopped is not None:
        record.graph.stop, unread = stop_of(module, record, stopped, called, unread), {}
    fixed_width = fixed_width_of(weight for name, weight in weights.items() if name not in unread)
    shape = tuple(held[0][0].shape[1:]) if held else ()
    sizes = {name: one.numel() if isinstance(one, nn.Parameter) else 0 for name, one in unread.items()}
    traced = Traced(record.graph, module_outputs, returned, sizes, fixed_width, shape, tracer.operations)
    misread = Misread(len(opaque_layers(record.graph)) + record.cut_axes, record.over_axes, record.off_axes)
    return traced, record.unfollowed_windows, misread


def report_of_module(module: nn.Module, input_size: GivenSizes, name: str = "") -> Report:
    """The report of any module: its costs and fields, as for a spec.

    Raises:
        FieldspecError: As for `trace_module`.
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
        returned=traced.returned,
        unread=tuple(traced.unread),
        unread_params=sum(traced.unread.values()),
        fixed_width=traced.fixed_width,
    )


def _name(module: nn.Module) -> str:
    return type(module).__name__


def _main_first(output: Any) -> list[Any]:
    """The tensors of an output, main one first: the first of a mapping or a tuple, the last of a list."""
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


def _failure(module: nn.Module, record: Recorder, plan: InputPlan, error: Exception) -> FieldspecError:
    at = f" in {record.call.path}" if record.call.path else ""
    said = first_line(str(error)) or type(error).__name__
    sizes = sizes_text([layer.tensor_shape for layer in plan.inputs])
    unknown = unknown_name(module, plan.inputs)
    if unknown and isinstance(error, TypeError) and not at:
        return InputError(f"{_name(module)} has {unknown}")
    at += f" ({unknown} It is given one dict)" if unknown else ""
    values = " without values" if isinstance(error, NotImplementedError) else ""  # what torch raises if it needs them
    return InputError(f"{_name(module)} does not run{values} on {sizes}: {said}{at}")


def opaque_layers(graph: LayerGraph) -> list[tuple[str, Opaque]]:
    """The operations without a rule: node ids, and the layers that describe them."""
    return [(node.id, node.layer) for node in graph.nodes if isinstance(node.layer, Opaque)]
