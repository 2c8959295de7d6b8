"""Latencies predicted by a machine's profile, compared with measured ones of networks not used for it.

    pip install 'fieldspec[dev]'
    python benchmarks/latency.py > benchmarks/latency.txt

First the profile: random operators, timed as by `fieldspec bench --fit`. Then 30 networks of the catalogue and 30
random candidates of the space in benchmarks/search.py, each built, timed and predicted; none was used for the fit.
Everything uses one thread and CPU time, to reduce the influence of other processes; for the same reason a network's
time is the 25th percentile of its calls, like an operator's in the profile.
"""

import platform
import random
import sys
import time
from collections.abc import Iterator
from datetime import date

import numpy as np
import torch
from search import SPACE

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.analysis.latency.samples import sampled_operators
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.document.reader import read
from fieldspec.architectures.readings.reports import report_of_spec
from fieldspec.architectures.spaces.open_spec import open_spec
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.export.speed.benchmark import bench, subject_of
from fieldspec.export.speed.profiling import PERCENT, profile_machine

NAMES = [
    "alexnet", "all_cnn_c", "c1c2c3c40", "c1c2c3c40_dilated", "c1c2c3c40_plus", "c1c2c3c40_strided",
    "c1c2c3c40_wide", "convmixer", "convnext_tiny", "densenet121", "densenet_bc", "ds_cnn", "efficientnet_b0",
    "ghostnet", "googlenet", "lenet5", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small",
    "nin", "regnet_y_400mf", "resnet18", "resnet20", "resnet50", "resnet8", "resnext50", "shufflenet_v2",
    "squeezenet1_1", "wrn",
]  # fmt: skip
CANDIDATES = 30
SECONDS = 0.3  # of timed calls per network, at least ten
UNDER = Conditions(clock="cpu")


def main(share: float = 1.0) -> None:
    """Print both tables; a share reduces operators and networks, to try it out."""
    begin = time.perf_counter()
    profile = profile_machine(sampled_operators(share=share), UNDER)
    kinds = len({one.operator.kind for one in profile.measured})
    took = time.perf_counter() - begin
    print(f"{len(profile.measured):,} operators of {kinds} kinds measured in {took:.0f} s ({UNDER})\n")
    catalogue = [load(name) for name in NAMES[: max(2, round(share * len(NAMES)))]]
    table("networks of the catalogue", catalogue, profile, rows=True)
    found = candidates(max(2, round(share * CANDIDATES)))
    table("candidates of the space in search.py", list(found), profile, rows=False)
    print(f"{profile.machine}, torch {torch.__version__}, {platform.python_version()}, {date.today()}")


def candidates(count: int) -> Iterator[ArchitectureSpec]:
    """Random networks."""
    space, draw = open_spec(read(SPACE, "search.py")), random.Random(0)
    while count:
        try:
            yield space.close([draw.choice(domain.values) for domain in space.domains])
        except SpecError:
            continue
        count -= 1


def table(title: str, specs: list[ArchitectureSpec], profile: MachineProfile, *, rows: bool) -> None:
    """Print each network's predicted and measured latency, and their difference."""
    told = [profile.latency_ms(spec.graph) for spec in specs]
    predicted = np.array([ms for ms in told if ms is not None])
    assert len(predicted) == len(specs), "a network has an operator that was not measured"
    measured = np.array([milliseconds(spec) for spec in specs])
    off = np.abs(predicted / measured - 1)
    if rows:
        print(f"{'network':<20} {'layers':>6} {'predicted ms':>13} {'measured ms':>12} {'off':>7}")
        for spec, ms, real in zip(specs, predicted, measured, strict=True):
            print(f"{spec.name:<20} {len(spec.graph):>6} {ms:>13.3f} {real:>12.3f} {100 * (ms / real - 1):>+6.1f}%")
        print()
    macs = np.array([report_of_spec(spec).macs for spec in specs], dtype=float)
    print(f"{len(specs)} {title}, {measured.min():.2f} to {measured.max():.2f} ms")
    median, most = 100 * np.median(off), 100 * np.quantile(off, 0.9)
    print(f"  off by {median:.1f} % in the median, {most:.1f} % at the 90th percentile")
    print(f"  all together {100 * (np.exp(np.mean(np.log(predicted / measured))) - 1):+.1f} %")
    ranks = f"{spearman(predicted, measured):.3f}; of their multiply-adds {spearman(macs, measured):.3f}"
    print(f"  rank correlation (Spearman) with what was measured {ranks}\n")


def milliseconds(spec: ArchitectureSpec) -> float:
    """The measured latency of a network."""
    return bench(subject_of(spec), [UNDER], seconds=SECONDS).rows[0].timing.percentile(PERCENT)


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation, without ties."""
    ranks = [values.argsort().argsort() for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
