"""Early ends of a trace at operations that need tensor values: what is known before, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch._ops import OpOverload

from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.blocks.graph import Stop, Uncounted

OF_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
UNMARKED = {"torchvision::nms"}  # operations that torch does not tag as such


class StopTrace(BaseException):  # not an error, and not an Exception, which the network might catch
    """The result of an operation depends on tensor values, which a trace does not have.

    Args:
        operation: Name of the operation.
        place: file:line of its caller.
        sources: Nodes that it reads.
    """

    def __init__(self, operation: str, place: str, sources: Sequence[int]) -> None:
        super().__init__(operation)
        self.operation, self.place, self.sources = operation, place, sources


def needs_values(func: OpOverload) -> bool:
    """Whether the result or the shape of an operation may depend on values.

    Example:
        >>> [needs_values(op) for op in (torch.ops.aten.nonzero.default, torch.ops.aten.topk.default)]
        [True, False]
    """
    return bool(OF_VALUES & set(func.tags)) or func._schema.name in UNMARKED


def stop_of(
    module: nn.Module, record: Recorder, stopped: StopTrace, called: Collection[str], behind: Mapping[str, Tensor]
) -> Stop:
    """Describe an early end of a trace.

    Args:
        module: The network.
        record: What was recorded.
        stopped: Why the trace ended.
        called: Paths of the modules that were called.
        behind: Weights, by name, that no node counts.
    """
    parameters = [weight for weight in behind.values() if isinstance(weight, nn.Parameter)]
    return Stop(
        Uncounted(stopped.operation, stopped.place),
        record.call.path,
        tuple(_unreached(module, called)),
        tuple(behind),
        sum(weight.numel() for weight in parameters),
        sum(weight.numel() for weight in parameters if weight.requires_grad),
        sum(weight.numel() for weight in behind.values() if not isinstance(weight, nn.Parameter)),
    )


def ends_of(record: Recorder, sources: Sequence[int]) -> list[int]:
    """The nodes that serve as outputs: those that the operation reads, and all others that nothing has read yet."""
    read = {source for node in record.graph.nodes for source in node.inputs}
    unread = [index for index in range(len(record.graph)) if index not in read]
    return list(dict.fromkeys([*sources, *reversed(unread)]))


def _unreached(module: nn.Module, called: Collection[str]) -> list[str]:
    """Paths of the outermost modules of which no part was called."""
    run = {""}
    for path in called:
        while path:
            run.add(path)
            path = path.rpartition(".")[0]
    return [path for path, _ in module.named_modules() if path not in run and path.rpartition(".")[0] in run]
