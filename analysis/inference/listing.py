"""What a network needs on an engine, as text: annotated totals, costly layers, one row per operator."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from fieldspec.blocks.formatting import size_text

if TYPE_CHECKING:
    from fieldspec.analysis.inference.engine import EngineReport


def listing(report: EngineReport, engine: str) -> list[str]:
    """Lines of text: the RAM by each convention, then each operator with what it needs, as a bar."""
    return [*_totals(report, engine), "", *_rows(report)]


def _totals(report: EngineReport, engine: str) -> list[str]:
    operators, macs = report.lowered.operators, report.lowered.macs
    said = {
        "live": f"live at once, in this order; the peak is at {report.peak}",
        "ordered": "the minimum over all orders" if report.ordering.exact else "an upper bound: too many orders",
        "tflm": "the head of the arena, as the engine's own planner places it",
        "planned": "with a plan of order and offsets in the file",
    }
    return [
        f"{engine}, int8, batch 1: {len(operators)} operators, {macs:,} multiply-adds",
        f"  {'flash':<8} {report.flash:>11,}  bytes of weights, biases and quantization parameters",
        *[f"  {kind:<8} {report.sram(kind):>11,}  {text}" for kind, text in said.items()],
        _patched(report),
        *_grown(report),
        *_unfolded(report),
        *_composed(report),
    ]


def _patched(report: EngineReport) -> str:
    if report.patching is None:
        return f"  {'patched':<8} {'-':>11}  running the first layers patch by patch would not need less"
    grid, times = size_text(report.patching.grid), report.patching.macs / report.patching.lowered.macs
    text = f"up to {report.patching.last} in {grid} patches, with {times:.2f} times the multiply-adds"
    return f"  {'patched':<8} {report.patching.size:>11,}  {text}"


def _grown(report: EngineReport) -> list[str]:
    """The cost of kernels that contain zeros for padding."""
    grown = [operator for operator in report.lowered.operators if operator.grown]
    if not grown:
        return []
    one = "kernel contains" if len(grown) == 1 else "kernels contain"
    few = _few([operator.id for operator in grown])
    return [f"  {len(grown)} {one} zero padding that would otherwise be the peak: {few}"]


def _unfolded(report: EngineReport) -> list[str]:
    """The cost of norms that cannot be folded into weights."""
    names = report.lowered.unfolded
    if not names:
        return []
    one = "norm is an operator" if len(names) == 1 else "norms are operators"
    why = "after an activation, before zero padding or several readers"
    return [f"  {len(names)} {one} of their own ({why}): {_price(report, names)}"]


def _composed(report: EngineReport) -> list[str]:
    """The cost of layers that the engine has no operator for, one line per function."""
    of: dict[str, list[str]] = {}
    for name, function in report.lowered.composed.items():
        of.setdefault(function, []).append(name)
    lines = []
    for function, names in of.items():
        count = sum(operator.id in names for operator in report.lowered.operators)
        times = f"{len(names)} times {function}" if len(names) > 1 else function
        lines.append(f"  {times}, which the engine lacks, as {count} operators: {_price(report, names)}")
    return lines


def _price(report: EngineReport, names: Collection[str]) -> str:
    """Multiply-adds and flash of the named layers, and the first few names."""
    own = [operator for operator in report.lowered.operators if operator.id in set(names)]
    macs, flash = sum(operator.macs for operator in own), sum(operator.flash for operator in own)
    return f"{macs:,} multiply-adds, {flash:,} bytes: {_few(names)}"


def _few(names: Collection[str]) -> str:
    return ", ".join(list(names)[:3]) + (", ..." if len(names) > 3 else "")


def _rows(report: EngineReport) -> list[str]:
    operators, most = report.lowered.operators, max(report.live)
    kinds = [f"{operator.kind}+{operator.fused}" if operator.fused else operator.kind for operator in operators]
    wide, long = max(map(len, kinds)), max(len(operator.id) for operator in operators)
    rows = [f"{'OPERATOR':<{wide}}  {'LAYER':<{long}}  {'OUTPUT':>10}  {'FLASH':>9}  {'NEEDED':>10}"]
    for kind, operator, live in zip(kinds, operators, report.live[1:], strict=True):
        bytes_out, bar = report.lowered.sizes[operator.output], "#" * max(1, round(24 * live / most))
        mark = " peak" if live == most else ""
        cells = f"{bytes_out:>10,}  {operator.flash:>9,}  {live:>10,}"
        rows.append(f"{kind:<{wide}}  {operator.id:<{long}}  {cells}  {bar}{mark}")
    return rows
