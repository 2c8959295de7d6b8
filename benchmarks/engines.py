"""The catalogue on LiteRT-Micro in int8: RAM by each convention, and the gap between a plan and the live bound.

    python benchmarks/engines.py > benchmarks/engines.txt
    python benchmarks/engines.py resnet wrn                      # only networks whose name contains one of these
    python benchmarks/engines.py --measure 2 --size 64           # also what LiteRT-Micro reports

In bytes, for batch 1, at the network's own input size. Live: maximum needed at once in the network's order; ordered:
in the best order; tflm: the head of the arena by the engine's own planner; planned: by the plan in the file. Apart:
planned minus live. Measured, for networks with fewer parameters than the given number of millions, on inputs no
larger than the given size: the heads of the file without and with a plan, in LiteRT-Micro's wheel.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from importlib.metadata import version

import fieldspec as fs
from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.analysis.inference.lowering.operators import EngineError
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import ArchitectureSpec

COLUMNS = "{:<20} {:>12} {:>10} {:>11} {:>11} {:>11} {:>11} {:>11} {:>8}  {}"


def smaller(spec: ArchitectureSpec, size: int) -> ArchitectureSpec:
    """The network on an input whose axes are limited to this size."""
    channels, *sizes = spec.input
    if max(sizes) <= size:
        return spec
    document = {**spec.to_dict(), "input": [channels, *[min(one, size) for one in sizes]]}
    params = {name: value for name, value in document.get("params", {}).items() if name != "size"}
    return fs.load({**document, "params": params})


def measured(spec: ArchitectureSpec, report: EngineReport) -> str:
    """Measure both heads in LiteRT-Micro, and compare them with the report."""
    from fieldspec.export.engines.tflm import measured_arena
    from fieldspec.export.litert.tflite import int8_tflite

    net = fs.build(spec).eval()
    heads = [measured_arena(int8_tflite(report, net, {}, planned=planned)).head for planned in (False, True)]
    claimed = [report.head, report.plan.size]
    return " ".join(f"{head:,}" for head in heads) + (" as claimed" if heads == claimed else f" and not {claimed}")


def main() -> None:
    """Print a row per network, then how many plans reach the bound."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--measure", type=float, default=0, help="Measure networks with fewer million parameters.")
    parser.add_argument("--size", type=int, default=64, help="Longest axis of measured inputs.")
    given = parser.parse_args()
    names = [name for name in catalogue.list_models() if not given.names or any(part in name for part in given.names)]
    packages = [f"{name} {version(name)}" for name in ("tflite_micro", "ai-edge-quantizer")] if given.measure else []
    print(", ".join([str(date.today()), platform.machine(), f"Python {platform.python_version()}", *packages]))
    head = ("network", "input", "operators", "flash", "live", "ordered", "tflm", "planned", "apart", "measured")
    print(COLUMNS.format(*head).rstrip() if given.measure else COLUMNS.format(*head[:-1], "").rstrip())
    started, apart = time.perf_counter(), []
    for name in names:
        spec = fs.load(name)
        told = ""
        if given.measure and fs.analyze(spec).params < given.measure * 1e6:
            spec = smaller(spec, given.size)
            told = measured(spec, engine_report(spec.graph))
        try:
            report = engine_report(spec.graph)
        except EngineError as error:
            print(f"{name:<20} {error}")
            apart.append(None)
            continue
        sram = {kind: report.sram(kind) or 0 for kind in ("live", "ordered", "tflm", "planned")}
        apart.append(sram["planned"] - sram["live"])
        size = "x".join(map(str, spec.input))
        numbers = [f"{number:,}" for number in (len(report.lowered.operators), report.flash, *sram.values(), apart[-1])]
        print(COLUMNS.format(name, size, *numbers, told).rstrip(), flush=True)
    reached = sum(one is not None and one <= 0 for one in apart)
    seconds = time.perf_counter() - started
    print(f"\n{reached} of {len(names)} plans need no more than is live at once; {seconds:.1f} s")


if __name__ == "__main__":
    main()
