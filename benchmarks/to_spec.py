"""How many networks can be converted to a spec: torchvision's classifiers and timm's convolutional families.

python benchmarks/to_spec.py > benchmarks/to_spec.txt     torchvision; one or two small models of each family of timm
python benchmarks/to_spec.py --all                        every model of timm's families
python benchmarks/to_spec.py resnet convnext              only families whose name contains one of these

`equal`: the spec's network and the original, with the same random weights and statistics, have equal outputs in eval
mode and float32, to 1e-4 of the largest. `layers`: too large, so only layers, shapes, parameters, multiply-adds and
fields were compared. `beyond`: the language cannot express a part of it, and no spec is written.
"""

from __future__ import annotations

import argparse
import logging
import platform
import re
import sys
import time
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import get_context

import torch
from breadth import made, models, quiet

LARGE = 150_000_000  # maximum parameters for comparing outputs
SMALL = frozenset(
    """
    mobileone_s0 repvgg_a0 gernet_s convmixer_768_32 convnext_atto convnextv2_atto cspresnet50 darknet53
    csatv2 densenet121 dla46_c dla34 dpn48b dpn68 edgenext_xx_small efficientnet_lite0 tf_efficientnet_b0
    fasternet_t0 fasternet_t1 focalnet_tiny_srf ghostnet_050 ghostnetv2_100 hardcorenas_a hgnet_tiny
    hgnetv2_b0 hrnet_w18_small hrnet_w18_small_v2 inception_next_atto inception_resnet_v2 inception_v3
    inception_v4 mambaout_femto mobilenetv3_small_050 tf_mobilenetv3_small_minimal_100 nasnetalarge nfnet_l0
    eca_nfnet_l0 pnasnet5large rdnet_tiny regnetx_002 regnety_002 repghostnet_050 repvit_m0_9 res2net50_48w_2s
    res2next50 resnest14d resnest26d resnet10t resnet18 resnetv2_18 resnetv2_50x1_bit rexnet_100 selecsls42
    selecsls42b legacy_seresnet18 legacy_seresnext26_32x4d skresnet18 starnet_s1 tresnet_m vgg11 vgg11_bn
    ese_vovnet19b_dw vovnet39a legacy_xception xception41 xception65
    """.split()  # noqa: SIM905  # a list of one word a line is longer than a page
)  # one or two small models of each family of timm
KINDS = ("segmentation", "video", "quantization", "optical_flow", "detection")  # not classifiers, in torchvision
TRANSFORMERS = ("transformer", "maxvit", "swin")


@dataclass
class Outcome:
    """The result for one model."""

    family: str
    name: str
    status: str  # equal, layers, beyond, failed
    reason: str = ""
    seconds: float = 0.0


@dataclass
class Row:
    """One family."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def outcome(one: tuple[str, str]) -> Outcome:
    """Write the spec of one model."""
    import fieldspec as fs
    from fieldspec.architectures.adoption.graph.beyond import BeyondError

    quiet()
    family, name = one
    started = time.perf_counter()
    try:
        net, size = made(family, name)
        prove = sum(parameter.numel() for parameter in net.parameters()) <= LARGE
        fs.to_spec(net, size, name=name, prove=prove)
    except BeyondError as error:
        place = error.places[0]
        reason = re.sub(r"\(.*", "", f"{place.operation}: {place.reason}").strip()
        return Outcome(family, name, "beyond", re.sub(r"[0-9.e-]+ of the largest", "more than 1e-4", reason))
    except Exception as error:  # any error is a result
        return Outcome(family, name, "failed", f"{type(error).__name__}: {error}".splitlines()[0][:120])
    return Outcome(family, name, "equal" if prove else "layers", "", time.perf_counter() - started)


def main() -> None:
    """Write the specs of all models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", help="only families whose name contains one of these words")
    parser.add_argument("--all", action="store_true", help="every model of timm's families")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    todo = [
        (family, name)
        for family, name in models(options.families, False)
        if not any(word in family for word in (*KINDS, *TRANSFORMERS))
    ]
    todo = [one for one in todo if options.all or one[0].startswith("torchvision") or one[1] in SMALL]
    rows: dict[str, Row] = defaultdict(Row)
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=10) as pool:
        for found in pool.imap(outcome, todo):
            row = rows[found.family]
            row.counts[found.status] += 1
            if found.reason:
                row.reasons[f"{found.status}: {found.reason}"] += 1
            print(f"{found.name}: {found.status} {found.reason} {found.seconds:.1f} s", file=sys.stderr, flush=True)
    write(rows)


STATUSES = ("equal", "layers", "beyond", "failed")


def write(rows: dict[str, Row]) -> None:
    """Format the table and its totals."""
    import timm
    import torchvision

    width = max(map(len, rows))
    print(f"{'family':<{width}} " + " ".join(f"{status:>7}" for status in STATUSES))
    for family, row in sorted(rows.items()):
        counts = " ".join(f"{row.counts[status] or '.':>7}" for status in STATUSES)
        print(f"{family:<{width}} {counts}")
        for reason, count in row.reasons.most_common(4):
            print(f"{'':<{width}}   {count} x {reason}")
    for package in sorted({family.partition(".")[0] for family in rows}):
        found = {family: row for family, row in rows.items() if family.startswith(f"{package}.")}
        total = sum((row.counts for row in found.values()), Counter[str]())
        said = sum(1 for row in found.values() if row.counts["equal"] + row.counts["layers"])
        whole = ", ".join(f"{total[status]} {status}" for status in STATUSES)
        print(f"\n{package}: {total.total()} models: {whole}; {said} of {len(found)} families have one with a spec")
    print(
        f"\ntorch {torch.__version__}, torchvision {torchvision.__version__}, timm {timm.__version__}, "
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {date.today()}"
    )


if __name__ == "__main__":
    main()
