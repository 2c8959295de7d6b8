"""Networks of third-party packages: how many are analyzed, how far, and the reasons why some are not.

python benchmarks/strangers.py > benchmarks/strangers.txt      every installed package
python benchmarks/strangers.py monai kornia                    only these
python benchmarks/strangers.py --networks                      one line per network that is not proven

The packages are not dependencies of the project. Each network is built from its configuration without weights, and
traced with a time limit in a process that can be killed. `proven`: the field, or that of every level, is `exact` or
`whole_input`. `to values`: that holds for the last maps before an operation whose result depends on values, where the
analysis ends; such a network does not count as proven. `at_least`: the total of multiply-adds is reported as
incomplete. `short`: it is less than torch's count without being reported as incomplete. `differs`: parameters or
multiply-adds differ from torch's.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from itertools import chain
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from strangers_networks import PACKAGES, made, names

STATUSES = ("exact", "whole_input", "by level", "to values", "bound", "unknown", "failed", "too slow", "not built")
PROVEN = STATUSES[:3]


@dataclass
class Outcome:
    """The result for one network."""

    package: str
    name: str
    status: str  # one of STATUSES
    detail: str = ""
    macs_status: str = ""
    differs: str = ""  # parameters or multiply-adds that differ from torch's counts
    seconds: float = 0.0


def outcome(package: str, name: str) -> Outcome:
    """Analyze one network."""
    import fieldspec as fs

    try:
        net, inputs = made(package, name)
        net.eval()
    except Exception as error:  # from the network's constructor
        return Outcome(package, name, "not built", _said(error))
    started = time.perf_counter()
    try:
        report = fs.analyze(net, input_size=inputs)
        if report.stop is not None or "without values" in reason_of(report):  # perhaps its own tables have none
            net, inputs = made(package, name, values=True)
            report = fs.analyze(net.eval(), input_size=inputs)
    except Exception as error:  # any error is a result
        return Outcome(package, name, "failed", _said(error), seconds=time.perf_counter() - started)
    seconds = time.perf_counter() - started
    status, detail = report.features.status, ""
    if report.stop is not None:
        stop = report.stop.operation
        detail = f"{stop.operation} at {stop.place}: {report.stop.params:,} parameters are not reached"
        status = "to values" if status in ("exact", "whole_input") else status
    elif status in ("unknown", "bound"):
        detail = reason_of(report)
        levels = getattr(report, "levels", ())
        if len(levels) > 1 and all(level.status in ("exact", "whole_input") for level in levels):
            status = "by level"
    return Outcome(package, name, status, detail, report.macs_status, differs(net, report, inputs), seconds)


def reason_of(report: Any) -> str:
    """The first unsupported operation, and the reason."""
    from fieldspec.analysis.trace import opaque_layers

    opaque = opaque_layers(report.graph)
    return f"{opaque[0][1].operation}: {opaque[0][1].reason}" if opaque else "no operation that is not followed"


def differs(net: torch.nn.Module, report: Any, inputs: Any) -> str:
    """Differences from torch: other parameters, or a total that is too small but not reported as incomplete."""
    from fieldspec.analysis.proof.measurements.counts import measure_macs

    of = dict(net.named_parameters())
    counted = report.params + sum(of[name].numel() for name in report.unread if name in of)
    params = sum(weight.numel() for weight in of.values())
    found = [] if counted == params else [f"params {counted} and not {params}"]
    try:
        macs = measure_macs(net, inputs, partly=report.stop is not None)[""]
    except Exception:  # runs on the meta device, while the tracer may have used values
        return ", ".join(found)
    if report.macs != macs and report.macs_status == "exact":
        found.append(f"{'short: ' if report.macs < macs else ''}macs {report.macs} and not {macs}")
    return ", ".join(found)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def worker(tasks: Connection) -> None:
    """Import a package, without a time limit, then analyze the networks received until there are no more."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    import fieldspec.analysis.trace  # noqa: F401  # before the clock runs

    names(tasks.recv())
    tasks.send("ready")
    while (task := tasks.recv()) is not None:
        tasks.send(outcome(*task))


def outcomes(tasks: list[tuple[str, str]], limit_s: float) -> Iterator[Outcome]:
    """Run all networks in sequence; a process that exceeds its limit is killed and replaced."""
    context = get_context("spawn")
    process = pipe = None
    for number, (package, name) in enumerate(tasks):
        if process is None or number % 50 == 0:
            _end(process, pipe)
            pipe, far = context.Pipe()
            process = context.Process(target=worker, args=(far,), daemon=True)
            process.start()
            far.close()
            pipe.send(package)
            pipe.recv()
        assert pipe is not None
        pipe.send((package, name))
        if pipe.poll(limit_s):
            try:
                yield pipe.recv()
                continue
            except EOFError:
                yield Outcome(package, name, "failed", "the process died")
        else:
            yield Outcome(package, name, "too slow", f"more than {limit_s:.0f} s", seconds=limit_s)
        _end(process, pipe)
        process = None
    _end(process, pipe)


def _end(process: Any, pipe: Connection | None) -> None:
    if process is not None and pipe is not None:
        process.terminate()
        process.join()
        pipe.close()


@dataclass
class Row:
    """One package."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, one: Outcome) -> None:
        """Add a network to the counts."""
        self.counts[one.status] += 1
        self.counts["at_least"] += one.macs_status == "at_least"
        self.counts["short"] += "short" in one.differs
        self.counts["differs"] += bool(one.differs)
        self.seconds += one.seconds
        if one.status not in PROVEN:
            self.reasons[f"{one.status}: {one.detail}"[:150]] += 1


def main() -> None:
    """Analyze all networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(PACKAGES)}")
    parser.add_argument("--only", default="", help="networks whose name contains this")
    parser.add_argument("--limit", type=float, default=90.0, help="seconds for one network, including its construction")
    parser.add_argument("--jobs", type=int, default=2, help="packages to run in parallel")
    parser.add_argument("--networks", action="store_true", help="one line per network that is not proven")
    options = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", YOLO_OFFLINE="true")
    packages = options.packages or list(PACKAGES)
    tasks = [[(package, name) for name in names(package) if options.only in name] for package in packages]
    rows: dict[str, Row] = defaultdict(Row)
    slowest = Outcome("", "", "")
    with ThreadPoolExecutor(options.jobs) as pool:
        found = pool.map(lambda of_package: list(outcomes(of_package, options.limit)), tasks)
        for one in chain.from_iterable(found):
            rows[one.package].add(one)
            slowest = max(slowest, one, key=lambda each: each.seconds)
            if one.differs or (options.networks and (one.status not in PROVEN or one.macs_status == "at_least")):
                print(
                    f"# {one.package}:{one.name}: {one.status}; {one.detail}; {one.macs_status} {one.differs}",
                    flush=True,
                )
    write(rows, slowest)


def write(rows: dict[str, Row], slowest: Outcome) -> None:
    """Format the table and its totals."""
    columns = (*STATUSES, "at_least", "short", "differs")
    print(f"{'package':<14}" + " ".join(f"{column:>11}" for column in columns) + f"{'seconds':>9}")
    total: Counter[str] = Counter()
    for package, row in rows.items():
        total.update(row.counts)
        cells = " ".join(f"{row.counts[column] or '.':>11}" for column in columns)
        print(f"{package:<14}{cells}{row.seconds:>9.1f}")
        for reason, count in row.reasons.most_common():
            print(f"    {count} x {reason}")
    print(f"{'all':<14}" + " ".join(f"{total[column] or '.':>11}" for column in columns))
    built = sum(total[status] for status in STATUSES if status != "not built")
    proven = sum(total[status] for status in PROVEN)
    print(f"\n{built} networks, {proven} proven; {total['at_least']} totals say that they are not complete, ", end="")
    print(f"{total['short']} are short and do not")
    print(f"slowest: {slowest.package}:{slowest.name}, {slowest.seconds:.1f} s")
    print(", ".join(f"{package} {version(PACKAGES[package])}" for package in rows))
    print(f"torch {torch.__version__}, {platform.machine()}, Python {platform.python_version()}, {date.today()}")


if __name__ == "__main__":
    main()
