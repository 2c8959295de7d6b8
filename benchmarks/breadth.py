"""Coverage of torchvision and timm: every model, one line per family, with the reasons why some are not exact.

python benchmarks/breadth.py > benchmarks/breadth.txt      torchvision, and timm's convolutional families
python benchmarks/breadth.py --all                         also the transformers of timm
python benchmarks/breadth.py resnet convnext               only families whose name contains one of these
"""

from __future__ import annotations

import argparse
import logging
import platform
import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context
from typing import Any

import torch

# Families with maps from the first to the last layer: convolutions, pools, norms, gates.
# timm's others are transformers, token mixers, or hybrids.
FAMILIES = (
    "byobnet convmixer convnext cspnet csatv2 densenet dla dpn edgenext efficientnet fasternet focalnet "
    "ghostnet hardcorenas hgnet hrnet inception_next inception_resnet_v2 inception_v3 inception_v4 "
    "mambaout mobilenetv3 nasnet nfnet pnasnet rdnet regnet repghost repvit res2net resnest resnet "
    "resnetv2 rexnet selecsls senet sknet starnet tresnet vgg vovnet xception xception_aligned "
)
CONVOLUTIONAL = frozenset(FAMILIES.split())


@dataclass
class Outcome:
    """The result for one model."""

    family: str
    name: str
    status: str  # exact, whole_input, bound, unknown, failed
    detail: str = ""
    seconds: float = 0.0
    differs: str = ""  # parameters or multiply-adds that differ from torch's counts


@dataclass
class Row:
    """One family."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def models(words: list[str], everything: bool) -> list[tuple[str, str]]:
    """(family, name) of every model; the family is its module in torchvision or timm."""
    import timm
    import torchvision
    from timm.models import model_entrypoint

    found = []
    for name in torchvision.models.list_models():
        if not name.startswith(("fasterrcnn", "fcos", "keypointrcnn", "maskrcnn", "retinanet", "ssd", "raft")):
            module = torchvision.models.get_model_builder(name).__module__.removeprefix("torchvision.models.")
            found.append((f"torchvision.{module}", name))
    for name in timm.list_models():
        module = model_entrypoint(name).__module__.rpartition(".")[2]
        if everything or module in CONVOLUTIONAL:
            found.append((f"timm.{module}", name))
    return [one for one in found if not words or any(word in one[0] for word in words)]


def made(family: str, name: str) -> tuple[Any, tuple[int, ...]]:
    """The model without weights, and its intended input."""
    if family.startswith("torchvision"):
        import torchvision

        options = {"weights": None}
        if "segmentation" in family:
            options["weights_backbone"] = None
        net = _on_meta(lambda: torchvision.models.get_model(name, **options))
        if "video" in family:
            side = 112 if "resnet" in family else 224
            return net, (3, 16, side, side)
        return net, (3, 299, 299) if "inception" in name else (3, 224, 224)
    import timm

    net = _on_meta(lambda: timm.create_model(name))
    return net, tuple(net.pretrained_cfg["input_size"])


def _on_meta(make: Any) -> Any:
    """Build on the meta device if the constructor allows it."""
    try:
        with torch.device("meta"):
            return make()
    except (RuntimeError, NotImplementedError, ValueError, TypeError):
        return make()


def quiet() -> None:
    """One thread and no warnings, in a process that takes one model after the other."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)


def outcome(one: tuple[str, str]) -> Outcome:
    """Analyze one model."""
    from fieldspec.analysis.trace import opaque_layers, report_of_module

    quiet()
    family, name = one
    started = time.perf_counter()
    try:
        net, size = made(family, name)
    except Exception as error:  # raised by the model's constructor
        return Outcome(family, name, "not built", f"{type(error).__name__}: {error}".splitlines()[0])
    try:
        started = time.perf_counter()
        report = report_of_module(net, size)
    except Exception as error:  # any error is a result
        return Outcome(family, name, "failed", f"{type(error).__name__}: {error}".splitlines()[0])
    seconds = time.perf_counter() - started
    params = sum(p.numel() for p in net.parameters())
    counted = report.params + sum(
        net.get_parameter(n).numel() for n in report.unread if n in dict(net.named_parameters())
    )
    differs = "" if counted == params else f"params {counted} and not {params}"
    opaque = opaque_layers(report.graph)
    detail = ""
    if report.features.status in ("unknown", "bound") and opaque:
        _, layer = opaque[0]
        detail = f"{layer.operation}: {layer.reason}"
    return Outcome(family, name, report.features.status, detail, seconds, differs)


def main() -> None:
    """Analyze all models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="only families whose name contains one of these words")
    parser.add_argument("--all", action="store_true", help="also timm's transformers and hybrids")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", action="store_true", help="print one line per model that is not proven")
    options = parser.parse_args()
    todo = models(options.families, options.all)
    rows: dict[str, Row] = defaultdict(Row)
    slow: list[tuple[float, str]] = []
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=25) as pool:
        for number, found in enumerate(pool.imap(outcome, todo, chunksize=4), 1):
            row = rows[found.family]
            row.counts[found.status] += 1
            slow.append((found.seconds, found.name))
            if found.differs:
                row.counts["differs"] += 1
            if found.detail:
                row.reasons[f"{found.status}: {found.detail}"] += 1
            if found.differs or (options.models and found.status not in ("exact", "whole_input")):
                print(f"# {found.name}: {found.status} {found.detail} {found.differs}", flush=True)
            if sys.stderr.isatty():
                print(f"\r{number} of {len(todo)} ", end="", file=sys.stderr)
    write(rows, slow)


STATUSES = ("exact", "whole_input", "bound", "unknown", "failed", "not built")


def write(rows: dict[str, Row], slow: list[tuple[float, str]]) -> None:
    """Format the table and its totals."""
    import timm
    import torchvision

    width = max(map(len, rows))
    print(f"{'family':<{width}} conv " + " ".join(f"{status:>11}" for status in STATUSES))
    sums: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    for family, row in sorted(rows.items()):
        package, _, module = family.partition(".")
        convolutional = (
            module in CONVOLUTIONAL
            if package == "timm"
            else not any(word in module for word in ("transformer", "maxvit", "mvit", "swin"))
        )
        sums[convolutional] += row.counts
        print(
            f"{family:<{width}} {'yes' if convolutional else '  -'}  "
            + " ".join(f"{row.counts[status] or '.':>11}" for status in STATUSES)
        )
        for reason, count in row.reasons.most_common(4):
            print(f"{'':<{width}}      {count} x {reason}")
    for convolutional, counts in sums.items():
        total = sum(counts[status] for status in STATUSES if status != "not built")
        if total:
            proven = counts["exact"] + counts["whole_input"]
            kind = "convolutional" if convolutional else "others"
            print(
                f"\n{kind}: {total} models, {proven} exact or whole_input ({100 * proven / total:.1f} %), "
                + ", ".join(f"{counts[status]} {status}" for status in STATUSES[2:])
                + f", {counts['differs']} with other counts than torch's"
            )
    times = sorted(seconds for seconds, _ in slow)
    print(f"\nseconds a model: median {times[len(times) // 2]:.2f}, most {max(slow)[0]:.2f} ({max(slow)[1]})")
    print(
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, "
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {date.today()}"
    )


if __name__ == "__main__":
    main()
