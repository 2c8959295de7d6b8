"""The proof: compares every number of a report with a measurement on the built network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from torch import nn

from fieldspec.analysis.modules.inputs import taking_maps
from fieldspec.analysis.proof.checks import Check, compared, unproved
from fieldspec.analysis.proof.field_checks import prove_fields
from fieldspec.analysis.proof.field_targets import targets
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements import counts as counts
from fieldspec.analysis.proof.measurements import memory as memory
from fieldspec.analysis.proof.measurements.runs import Runs
from fieldspec.analysis.proof.measurements.submodules import dtype_of, module_of, one_thread, without_batch
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.returned_tensor import ReturnedTensor
from fieldspec.blocks.layers import Input, Merge, Shape

__all__ = ["Check", "prove"]

PathOf = Callable[[str], str | None]


def prove(
    module: nn.Module, report: Report, *, path_of: PathOf | None = None, layers: Collection[str] | None = None
) -> list[Check]:
    """Measure a network and compare: totals, every layer's costs and shape, fields of selected layers.

    Args:
        module: The network; it is left as it is.
        report: The report to compare.
        path_of: Maps a layer's id to the path of its module, with ``:2`` for its second call; None for a layer that no
            module returns, which is only measured as a part of the totals. By default the id itself, or, for a traced
            module, None if no module has this path.
        layers: Ids at which the receptive field is measured, by default all merges; the features always are. For a
            traced module also paths of enclosing modules.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> block = conv(3, out_channels=8)
        >>> checks = prove(block.module(), report_of(LayerGraph.of(block, (3, 16, 16))))
        >>> {check.verdict for check in checks}
        {'proved'}
    """
    module = getattr(module, "_orig_mod", module)  # unwrap torch.compile
    taken = [layer.layer for layer in report.layers if isinstance(layer.layer, Input)]
    if path_of is None:
        path_of = _traced_path(report) if _is_traced(report) else str
    keys = {layer.id: path_of(layer.id) for layer in report.layers}
    own = report.module_outputs.get("")
    if own is not None and keys[report.layers[own].id] is None:
        keys[report.layers[own].id] = ""  # the network's own output
    with one_thread(), taking_maps(module, taken) as inputs:
        runs = Runs(module, inputs, values=not _is_traced(report), partly=report.stop is not None)
        return [
            *_totals(module, report, inputs, runs),
            *_layers(module, report, inputs, keys, runs),
            *prove_fields(module, report, inputs, targets(report, keys, layers)),
        ]


def _is_traced(report: Report) -> bool:
    return bool(report.module_outputs) or report.stop is not None


def _traced_path(report: Report) -> PathOf:
    """For a traced module, the id of an operation that a module returns is the key of that call."""
    return lambda layer: layer if layer in report.module_outputs else None


def _totals(module: nn.Module, report: Report, shape: list[Shape], runs: Runs) -> Iterator[Check]:
    dtype = str(dtype_of(module)).removeprefix("torch.")
    unread = set(report.unread)
    measures: list[tuple[str, Any, Callable[[], Any]]] = [
        ("params", report.params, lambda: counts.measure_parameters(module, unread)),
        ("trainable params", report.trainable_params, lambda: counts.measure_trainable_parameters(module, unread)),
        ("torchinfo params", report.params, lambda: _torchinfo(module, shape, unread)),
        ("buffers", report.buffers, lambda: counts.measure_buffers(module, unread)),
        ("weight bytes", report.weight_bytes(dtype), lambda: counts.measure_weight_bytes(module, unread)),
        ("macs", report.macs, lambda: _complete(report, runs.macs()[0][""])),
        ("macs status", report.macs_status, lambda: runs.macs()[1]),
        ("peak bytes", report.peak_bytes(dtype), lambda: _peak(report, runs.peak())),
        ("saved bytes", report.memory(dtype).saved, lambda: _saved(module, report, shape)),
    ]
    for what, claimed, measure in measures:
        try:
            if claimed is None:
                raise Unmeasurable("it is unknown")
            yield compared(what, "", claimed, measure())
        except Exception as error:  # measuring runs arbitrary code of torch and the module
            yield unproved(what, "", claimed, _reason(report, error))


def _reason(report: Report, error: Exception) -> Exception:
    """Why something was not measured: for a network that needs values, because measurements have none."""
    if report.stop is None or isinstance(error, Unmeasurable):
        return error
    return Unmeasurable(
        f"the result of {report.stop.operation.operation} depends on values, but it is measured without"
    )


def _complete(report: Report, measured: int) -> int:
    """The measured multiply-adds.

    Raises:
        Unmeasurable: They equal the reported number, but that is a lower bound; names what is not counted.
    """
    if report.uncounted and (report.macs == measured or (report.stop and report.macs > measured)):
        if report.stop:
            raise Unmeasurable(f"everything after {report.stop.operation.operation} is not counted")
        operations = ", ".join(sorted({one.operation for _, one in report.uncounted}))
        raise Unmeasurable(f"it is a lower bound, as those of {operations} are unknown")
    return measured


def _peak(report: Report, live: Mapping[str, int]) -> int:
    """Peak bytes of live activations.

    Raises:
        Unmeasurable: The reported peak is inside something that is only measured as a whole.
    """
    if _is_traced(report) and report.peak_layer not in live:
        raise Unmeasurable(f"the reported peak is at {report.peak_layer}, an operation inside a layer or a function")
    return live[""]


def _saved(module: nn.Module, report: Report, shape: list[Shape]) -> int:
    values = not _is_traced(report)  # what was traced without values is measured without values
    return memory.measure_saved_bytes(module, shape, values=values, partly=report.stop is not None)


def _torchinfo(module: nn.Module, shape: list[Shape], unread: Collection[str]) -> int:
    """The number of parameters according to torchinfo.

    Raises:
        Unmeasurable: It differs from torch's, as for weights that are shared or used by a function.
    """
    counted = counts.measure_torchinfo_parameters(module, shape)
    whole = counts.measure_parameters(module)
    if counted != whole:
        raise Unmeasurable(f"torchinfo counts {counted:,}, but torch {whole:,}")
    return counts.measure_parameters(module, unread)


def _layers(
    module: nn.Module, report: Report, inputs: list[Shape], keys: Mapping[str, str | None], runs: Runs
) -> Iterator[Check]:
    """Check shape, parameters, buffers, multiply-adds and live bytes of each layer that is a module."""
    dtype = str(dtype_of(module)).removeprefix("torch.")
    partly = report.stop is not None
    shapes = _measured(report, lambda: counts.measure_shapes(module, inputs, partly=partly))
    macs = _measured(report, lambda: runs.macs()[0])
    live = _measured(report, runs.live)
    submodules = dict(module.named_modules())
    shared, unread = _shared(module), {*report.unread, *(report.stop.weights if report.stop else ())}
    claimed = _inside(report, keys)
    for layer in report.layers:
        key = keys[layer.id]
        if isinstance(layer.layer, Input) or key is None:
            continue
        yield _shape(layer, shapes, key, report.returned.get(key))
        if not key:
            continue  # the whole is covered by the totals
        if isinstance(live, Exception) or key in live or module_of(key) not in submodules:
            check = _looked_up("live bytes", layer.id, layer.live_bytes(dtype), live, key)
            if check.verdict == "refuted" and any(other.startswith(f"{key}.") for other in keys):
                inside = Unmeasurable("live memory inside a layer of several operations is not measured")
                check = unproved("live bytes", layer.id, check.claimed, inside)
            yield check
        if isinstance(layer.layer, Merge) or key not in submodules or key in shared:
            continue  # the module of a merge contains its branches
        part, below = submodules[key], {name.removeprefix(f"{key}.") for name in unread}
        yield compared("params", layer.id, claimed["params"][key], counts.measure_parameters(part, below))
        yield compared("buffers", layer.id, claimed["buffers"][key], counts.measure_buffers(part, below))
        if not any(module_of(keys.get(place) or place).startswith(key) for place, _ in report.uncounted):
            ran = macs if not partly or (isinstance(shapes, dict) and key in shapes) else {}
            yield _looked_up("macs", layer.id, claimed["macs"][key], ran, key)


def _inside(report: Report, keys: Mapping[str, str | None]) -> dict[str, Counter[str]]:
    """The reported numbers of all layers in each module together, over all its calls."""
    sums: dict[str, Counter[str]] = {"params": Counter(), "buffers": Counter(), "macs": Counter()}
    for layer in report.layers:
        path = module_of(keys[layer.id] or layer.id)
        while path:
            sums["params"][path] += layer.params
            sums["buffers"][path] += layer.buffers
            sums["macs"][path] += layer.macs
            path = path.rpartition(".")[0]
    return sums


def _shared(module: nn.Module) -> set[str]:
    """Paths of modules with a weight that another module shares, which counts only once."""
    homes: dict[int, set[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        homes.setdefault(id(parameter), set()).add(name)
    found: set[str] = set()
    for names in homes.values():
        for name in names if len(names) > 1 else ():
            while name := name.rpartition(".")[0]:
                found.add(name)
    return found


def _shape(layer: LayerReport, shapes: dict[str, Any] | Exception, key: str, arranged: ReturnedTensor | None) -> Check:
    """Compare shapes up to their layout: the one that was traced, or else whole axes in some order."""
    check = _looked_up("shape", layer.id, layer.shape, shapes, key)
    if check.verdict in ("failed", "not proved"):
        return check
    if arranged is None:
        fits = check.verdict == "proved" or _is_arranged(check.measured, layer.shape)
    else:
        fits = arranged.holds(layer.shape) and list(check.measured) == without_batch(arranged.sizes)
    return compared("shape", layer.id, layer.shape, layer.shape) if fits else replace(check, verdict="refuted")


def _is_arranged(shape: Sequence[int], claimed: Shape) -> bool:
    """Whether a tensor has a map's axes side by side, in order, or in one dimension, with channels around them.

    Frames may come before the channels; axes of one unit may be missing.
    """
    shape, (channels, *sizes) = [size for size in shape if size > 1], claimed
    sizes = [size for size in sizes if size > 1]
    if sorted(shape) == sorted([channels, *sizes]):
        return True
    for places in (sizes, [prod(sizes)]):
        for first in range(len(shape) - len(places) + 1):
            around = [*shape[:first], *shape[first + len(places) :]]
            if shape[first : first + len(places)] == places and prod(around) == channels:
                return True
    return False


def _measured(report: Report, measure: Callable[[], dict[str, Any]]) -> dict[str, Any] | Exception:
    try:
        return measure()
    except Exception as error:  # as above
        return _reason(report, error)


def _looked_up(what: str, layer: str, claimed: Any, measured: dict[str, Any] | Exception, key: str) -> Check:
    if isinstance(measured, Exception):
        return unproved(what, layer, claimed, measured)
    if key not in measured:
        return unproved(what, layer, claimed, Unmeasurable(f"the network runs no module {key!r}"))
    return compared(what, layer, claimed, measured[key])
