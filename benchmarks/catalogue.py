"""The catalogue compared with its originals at their own input size, with every number verified.

    pip install pytorchcv                                        # for some originals
    python benchmarks/catalogue.py > benchmarks/catalogue.txt
    python benchmarks/catalogue.py resnet wrn                    # only networks whose name contains one of these
    python benchmarks/catalogue.py --no-verify                   # without the measurements, which take most of the time

Field: of the last map before global pooling, in pixels along one axis; then the number of layers with weights whose
field is compared with the traced original's, and the number that differ. Difference: the largest between the outputs
in float32 and eval mode, after copying the original's random tensors, including statistics. Proved: the number of
values of the report that were measured on the built network (totals, each layer's shape and costs, the field of the
features).
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
import warnings
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

import fieldspec as fs
from fieldspec.architectures.spec import catalogue

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from originals import ORIGINALS, Comparison, Original, largest_difference

COLUMNS = "{:<40} {:>5} {:>12} {:>15} {:>5} {:>7} {:>7} {:>10}  {}"
PACKAGES = ("torch", "torchvision", "timm", "pytorchcv")


def installed(package: str) -> str:
    """The version of a package; empty without metadata."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def compare(original: Original) -> None:
    """Compare a network with its original in one line: counts, fields and outputs."""
    net = original.made()
    comparison = Comparison.of(original, net)
    ours = comparison.claimed
    differences = comparison.differences()
    torch.manual_seed(1)
    built = fs.build(fs.load(original.network, **original.values), device="meta").eval()
    largest = largest_difference(net, built, torch.randn(2, *ours.input))
    differing = sum(one.startswith("only here") for one in differences)
    print(
        COLUMNS.format(
            original.id, lines(original.network), f"{ours.params:,}", f"{ours.macs:,}",
            min(ours.features.receptive_field), comparison.compared, differing, f"{largest:.1e}", original.source,
        ),
        flush=True,
    )  # fmt: skip
    for difference in differences:
        print(f"    {difference}", flush=True)


def alone(name: str) -> None:
    """Format one line for a network without an original."""
    report = fs.analyze(name)
    field = min(report.features.receptive_field)
    print(
        COLUMNS.format(name, lines(name), f"{report.params:,}", f"{report.macs:,}", field, "-", "-", "-", "-"),
        flush=True,
    )


def lines(name: str) -> int:
    """Number of lines of a network's file, including comments."""
    return len(catalogue.path(name).read_text(encoding="utf-8").splitlines())


def verify(name: str) -> None:
    """Format one line: how many numbers are proved."""
    started = time.perf_counter()
    verification = fs.verify(name, layers=())
    proved, asked = verification.count("proved"), len(verification.checks)
    print(f"{name:<40} {proved:>5} of {asked:>5} {time.perf_counter() - started:>8.1f} s", flush=True)
    for check in verification.checks:
        if check.verdict != "proved":
            print(f"    {check}", flush=True)


def load_all() -> str:
    """Time to load and analyze every network, in a separate process."""
    import subprocess

    code = """
import sys, time
started, used = time.perf_counter(), time.process_time()
import fieldspec as fs
names = fs.list_models()
for name in names:
    fs.analyze(name).features.receptive_field
took, used = time.perf_counter() - started, time.process_time() - used
print(f"{len(names)} networks loaded and analysed in {took:.2f} s, imports included; {used:.2f} s of one core; "
      f"torch loaded: {'torch' in sys.modules}")
"""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Print the table, then the verification."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--no-verify", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    names = [name for name in fs.list_models() if not arguments.words or any(word in name for word in arguments.words)]
    print(
        f"{date.today()}, {platform.machine()}, {torch.get_num_threads()} threads, Python {platform.python_version()}"
    )
    print(", ".join(map(installed, PACKAGES)))
    print(load_all())
    print()
    header = ("network", "lines", "parameters", "multiply-adds", "field", "fields", "differ", "difference", "original")
    print(COLUMNS.format(*header))
    for name in names:
        of_name = [original for original in ORIGINALS if original.network == name]
        for original in of_name:
            compare(original)
        if all(original.values for original in of_name):
            alone(name)
    if not arguments.no_verify:
        print("\nproved")
        for name in names:
            verify(name)


if __name__ == "__main__":
    main()
