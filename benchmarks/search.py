"""The exact front of 1.4e15 variants of C1C2C3C40, compared with evaluating candidates one by one.

    pip install 'fieldspec[dev]'
    python benchmarks/search.py > benchmarks/search.txt

The space has block counts, widths, expansions, kernels, dilations and the kinds of transition between stages; the
constraints are those of c1c2c3c40, with its own parameters, multiply-adds and memory as budgets. Then random spaces
(tests/support/spaces.py: branches, shared parameters, every measure that can be computed from parts) are searched and
enumerated: front, first candidates, ties and all counts must agree.
"""

import os
import platform
import random
import resource
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from fieldspec.architectures.document.reader import read
from fieldspec.architectures.spaces.open_spec import OpenSpec, open_spec
from fieldspec.search import search_networks
from fieldspec.search.space.candidates import measure

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from spaces import brute_force, objectives, searched, spaces

SPACE = """
name: around_c1c2c3c40
input: [3, 32, 32]
defaults: {order: [conv, act, norm], act: relu, norm: batch}
blocks:
  inverted:
    params: {expand: ~, out: ~, kernel: ~, dropout: 0.1}
    body: [{inverted_residual: {expand: $expand, out: $out, kernel: $kernel, dropout: $dropout, project_act: relu,
                                shortcut: projection}}]
layers:
  - conv: {out: {range: [16, 48, 8]}, kernel: {choice: [3, 5]}}
  - inverted: {expand: {range: [32, 192, 8]}, out: {choice: [16, 24, 32, 48]}, kernel: {choice: [3, 5]}}
    repeat: {range: [1, 3, 1]}
  - choice:
    - conv: {out: {choice: [24, 32, 48]}, kernel: {choice: [3, 5]}, stride: 2, act: none}
    - depthwise_separable: {out: {choice: [24, 32, 48]}, kernel: {choice: [3, 5]}, stride: 2}
    - max_pool: {kernel: 2}
  - inverted: {expand: {range: [32, 192, 8]}, out: {choice: [24, 32, 48, 64]}, kernel: {choice: [3, 5]}}
    repeat: {range: [1, 3, 1]}
  - choice:
    - conv: {out: {choice: [32, 48, 64]}, kernel: {choice: [3, 5]}, stride: 2, act: none}
    - depthwise_separable: {out: {choice: [32, 48, 64]}, kernel: {choice: [3, 5]}, stride: 2}
    - max_pool: {kernel: 2}
  - inverted: {expand: {range: [32, 192, 8]}, out: {choice: [32, 48, 64, 96]}, kernel: {choice: [3, 5]}}
    repeat: {range: [1, 3, 1]}
  - choice:
    - conv: {out: {choice: [48, 64, 96]}, kernel: 3, dilation: {choice: [1, 2, 3]}, padding: 0, act: none}
    - identity: {}
  - inverted: {expand: {range: [64, 384, 16]}, out: {choice: [64, 96, 128, 132, 160]}, kernel: {choice: [3, 5]},
               dropout: 0}
    repeat: {range: [1, 3, 1]}
head: {pool: avg, classes: 10}
constraints:
  receptive_field: "> 44"
  params: "<= 178178"
  macs: "<= 21766440"
  memory: "<= 1441792"
  uses: [depthwise_separable, dilated, global_pool]
  forbids: [max_pool]
objectives: {minimize: [params], maximize: [macs]}
"""
SECONDS = 20.0  # for evaluating candidates one by one
SPACES = 60
MOST = 2_000  # maximum candidates of a random space


def exact(spec: OpenSpec) -> float:
    """Run the search; print the result, time and memory."""
    begin, cpu = time.perf_counter(), time.process_time()
    result = search_networks(spec)
    took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{result.space:.3g} candidates, {result.networks:.3g} networks; {result.method} front of params and macs")
    for words, count in result.excluded.items():
        print(f"  {count:>27,}  excluded by {words}" if count is not None else f"  not counted: {words}")
    print(f"  feasible: {'not counted' if result.feasible is None else f'{result.feasible:,}'}")
    print(f"  {len(result.pareto)} points, from {told(result.pareto[0].measures)}")
    print(f"  {' ' * len(str(len(result.pareto)))}           to {told(result.pareto[-1].measures)}")
    print(f"  {took:.1f} s ({cpu:.1f} s of one core), {memory:.2f} GiB at most\n")
    return took


def told(measures: Mapping[str, float | None]) -> str:
    """Format two of the measures."""
    return f"{measures['params']:,} parameters with {measures['macs']:,} multiply-adds"


def one_by_one(spec: OpenSpec, took: float) -> None:
    """Evaluate random candidates by their reports, for a while."""
    draw = random.Random(0)
    seen, begin, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begin < SECONDS:
        measure(spec, [draw.randrange(len(domain.values)) for domain in spec.domains], ("params", "macs"))
        seen += 1
    rate, of_cpu = seen / (time.perf_counter() - begin), seen / (time.process_time() - cpu)
    years = spec.space / rate / 31_557_600
    print(f"one by one: {rate:,.0f} candidates a second ({of_cpu:,.0f} a second of one core), so {years:,.0f} years")
    print(f"exact: {spec.space / took:.2g} candidates a second, {spec.space / took / rate:.1g} times as many\n")


def agreement() -> None:
    """Search and enumerate random spaces."""
    sizes: list[int] = []

    @given(spaces(most=MOST), objectives())
    @settings(
        max_examples=SPACES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def agrees(spec: OpenSpec, asked: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
        if not spec.domains:
            return
        assert searched(spec, *asked) == brute_force(spec, *asked)
        sizes.append(spec.space)

    agrees()
    print(
        f"{len(sizes)} spaces at random, {sum(sizes):,} candidates in all, {max(sizes):,} in the largest: "
        "front, first candidates, ties and counts are those of looking at each"
    )


if __name__ == "__main__":
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{date.today()}, {platform.machine()}, {cores} cores, load {load:.1f}, Python {platform.python_version()}, "
          f"numpy {np.__version__}\n")  # fmt: skip
    space = open_spec(read(SPACE))
    one_by_one(space, exact(space))
    agreement()
