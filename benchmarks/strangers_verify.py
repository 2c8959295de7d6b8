"""Every number of a report on the networks of `strangers.py`, beside what is measured: `verify` and `ledger`.

python benchmarks/strangers_verify.py > benchmarks/strangers_verify.txt      every package that is installed
python benchmarks/strangers_verify.py monai --only UNet                      only these
python benchmarks/strangers_verify.py --log FILE                             goes on where it ended

Images are shrunk to 96 or 128 pixels where the network takes that. `proved`, `refuted`, `not proved` and `failed` are
numbers of reports; the reason for one that failed, which is an error of the network or of the measurer, is told. `not
reached`: over the limit of time or memory. `ledgers`: those that were drawn; `lost` ended in an error.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import torch
from strangers_networks import PACKAGES, Size, made, names

VERDICTS = ("proved", "refuted", "not proved", "failed")
SMALLER = {"WaveRNN": [(1, 600), (1, 128, 7)]}  # of several inputs
SIDES_PX = (96, 128)  # of images, the first that a network takes


@dataclass
class Proof:
    """What became of one network."""

    package: str
    name: str
    state: str = "verified"  # or `not reached`, `not built`, `refused`
    detail: str = ""
    size: Any = ()
    counts: dict[str, int] = field(default_factory=dict)  # of verdicts
    found: list[str] = field(default_factory=list)  # what is not as it should be
    ledger: str = ""  # the error in which it ended
    seconds: float = 0.0


def proof(package: str, name: str) -> Proof:
    """Verifies one network."""
    import fieldspec as fs

    try:
        net, size = taken(package, name)
    except Exception as error:  # of the network's own constructor, or of the analysis
        return Proof(package, name, "refused" if isinstance(error, fs.FieldspecError) else "not built", _said(error))
    one = Proof(package, name, size=size)
    try:
        checks = fs.verify(net, input_size=size).checks
        one.counts = dict(Counter(check.verdict for check in checks))
        one.found = [str(check) for check in checks if check.verdict == "refuted"]
        failed = Counter(check.reason for check in checks if check.verdict == "failed")
        one.found += [f"{count} failed: {reason}" for reason, count in failed.items()]
    except Exception as error:  # whatever it is, it is the finding
        one.state, one.detail = "refused", _said(error)
    try:
        fs.ledger(net, input_size=size)
    except Exception as error:  # as above
        one.ledger = _said(error)
    return one


def taken(package: str, name: str) -> tuple[torch.nn.Module, Size]:
    """A network, with the values of its tables if it decides by them, and the smallest input that it takes."""
    import fieldspec as fs

    _, own = made(package, name)
    for size in [SMALLER[name]] if name in SMALLER else [shrunk(own, side) for side in SIDES_PX]:
        if size == own:
            break
        net, _ = made(package, name)
        try:
            if fs.analyze(net.eval(), input_size=size).stop is None:
                return net, size
        except Exception:  # too small for it, which its own code may say in any way
            continue
    net, size = made(package, name)
    if fs.analyze(net.eval(), input_size=size).stop is not None:
        net, size = made(package, name, values=True)
    return net.eval(), size


def shrunk(size: Size, side: int) -> Size:
    """Square images and videos of at most this side, the first and only input."""
    if isinstance(size, tuple) and len(size) > 2 and size[0] <= 4 and size[-1] == size[-2]:
        return (*size[:-2], min(size[-2], side), min(size[-1], side))
    return size


def _said(error: Exception) -> str:
    """An error of ours is a sentence; of another the place is told, too."""
    from fieldspec import FieldspecError

    text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    if isinstance(error, FieldspecError):
        return text
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} ({Path(frame.filename).name}:{frame.lineno})"


class Watch:
    """Ends the process where a network takes more time of the processor, or more memory, than it may."""

    def __init__(self, pipe: Connection, limit_s: float, limit_gb: float) -> None:
        self._pipe, self._limit_s, self._limit_gb = pipe, limit_s, limit_gb
        self.at: tuple[str, str] | None = None
        self.began = 0.0
        Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        while True:
            time.sleep(0.5)
            if self.at is None:
                continue
            spent, held = time.process_time() - self.began, _resident_gb()
            if spent > self._limit_s or held > self._limit_gb:
                why = f"over {self._limit_s:.0f} s" if spent > self._limit_s else f"over {self._limit_gb:.0f} GB"
                self._pipe.send(Proof(*self.at, "not reached", why, seconds=spent))
                os._exit(1)


def _resident_gb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def worker(pipe: Connection, package: str, limit_s: float, limit_gb: float) -> None:
    """Imports a package, on which no limit is, and verifies the networks whose names it is sent."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    import fieldspec as fs

    fs.verify(torch.nn.Conv2d(1, 1, 1), input_size=(1, 2, 2))  # what is imported late
    names(package)
    watch = Watch(pipe, limit_s, limit_gb)
    while True:
        pipe.send("ready" if _resident_gb() < limit_gb / 2 else "full")
        watch.began, watch.at = time.process_time(), (package, pipe.recv())
        one = proof(*watch.at)
        one.seconds, watch.at = time.process_time() - watch.began, None
        pipe.send(one)


def proofs(tasks: list[tuple[str, str]], limit_s: float, limit_gb: float) -> Iterator[Proof]:
    """All of them, one after the other; another process for each package, and after one that ended."""
    context = get_context("spawn")
    process: Any = None
    at, pipe = "", None
    for package, name in tasks:
        if process is not None and (package != at or pipe.recv() == "full"):  # type: ignore[union-attr]
            process.terminate()
            process = None
        if process is None:
            pipe, far = context.Pipe()
            process = context.Process(target=worker, args=(far, package, limit_s, limit_gb), daemon=True)
            process.start()
            far.close()
            at, _ = package, pipe.recv()
        assert pipe is not None
        pipe.send(name)
        try:
            yield (one := pipe.recv())
        except EOFError:
            yield (one := Proof(package, name, "not reached", "the process died"))
        if one.state == "not reached":
            process.join()
            process = None
    if process is not None:
        process.terminate()


def main() -> None:
    """Verify them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", help=f"of {', '.join(PACKAGES)}")
    parser.add_argument("--only", nargs="*", default=[""], help="networks whose name holds one of these")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds of the processor for one network")
    parser.add_argument("--memory", type=float, default=5.0, help="GB for one network")
    parser.add_argument("--log", type=Path, help="a file of one line of JSON a network, which are not verified again")
    parser.add_argument("--table", action="store_true", help="of what the log has; verify nothing")
    options = parser.parse_args()
    os.environ.update(HF_HUB_OFFLINE="1", YOLO_OFFLINE="true")
    known = _logged(options.log)
    of_package = [(package, name) for package in options.packages or PACKAGES for name in names(package)]
    asked = [task for task in of_package if any(part in task[1] for part in options.only)]
    missing = [task for task in asked if task not in known and not options.table]
    for one in proofs(missing, options.limit, options.memory):
        known[one.package, one.name] = one
        if options.log:
            with options.log.open("a") as log:
                print(json.dumps(asdict(one)), file=log)
    write([known.get(task) or Proof(*task, "not reached", "it was not run") for task in asked])


def _logged(path: Path | None) -> dict[tuple[str, str], Proof]:
    """The last that was said of each network."""
    if path is None or not path.exists():
        return {}
    logged = [Proof(**json.loads(line)) for line in path.read_text().splitlines()]
    return {(one.package, one.name): one for one in logged}


MOST = 3  # findings of a network that are printed
STATES = ("verified", "refused", "not reached", "not built")
COLUMNS = (*STATES, *VERDICTS, "ledgers", "lost", "seconds")


def write(found: list[Proof]) -> None:
    """The table, and below a package what is not as it should be."""
    print(f"{'package':<14}" + "".join(f"{column:>12}" for column in COLUMNS))
    packages = list(dict.fromkeys(one.package for one in found))
    for package in packages:
        of_it = [one for one in found if one.package == package]
        print(_row(package, of_it))
        reasons = Counter(f"{one.state}: {one.detail}" for one in of_it if one.state != "verified")
        for reason, count in reasons.most_common():
            print(f"    {count} x {reason}")
        for one in of_it:
            more = [f"and {len(one.found) - MOST} more"] if len(one.found) > MOST else []
            for text in [*one.found[:MOST], *more, *([f"ledger: {one.ledger}"] if one.ledger else [])]:
                print(f"    {one.name}: {text}")
    print(_row("all", found))
    print(", ".join(f"{package} {version(PACKAGES[package])}" for package in packages))
    print(f"torch {torch.__version__}, {platform.machine()}, Python {platform.python_version()}, {date.today()}")


def _row(title: str, found: list[Proof]) -> str:
    states, verdicts = Counter(one.state for one in found), Counter[str]()
    for one in found:
        verdicts.update(one.counts)
    drawn = [one for one in found if one.state == "verified"]
    lost = sum(bool(one.ledger) for one in found)
    numbers = [*(states[state] for state in STATES), *(verdicts[verdict] for verdict in VERDICTS)]
    numbers += [len(drawn) - sum(bool(one.ledger) for one in drawn), lost, round(sum(one.seconds for one in found))]
    return f"{title:<14}" + "".join(f"{number or '.':>12}" for number in numbers)


if __name__ == "__main__":
    main()
