"""Small networks with one difficulty each: the output's field according to fieldspec and TorchLens.

    pip install 'fieldspec[bench]'
    python benchmarks/battery.py > benchmarks/battery.txt

The networks and their fields, worked out by hand, are those of tests/micro_networks.py, where gradients verify each.
"""

import contextlib
import io
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torchlens

import fieldspec as fs
from fieldspec.blocks.formatting import side_text

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from micro_networks import MICRO, Micro


def of_torchlens(case: Micro) -> tuple[str, str]:
    """The status and size of the output's field in TorchLens' terms, or the reason why there is none."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            field = torchlens.trace(case.net.eval(), torch.rand(1, *case.input)).layers[-1].receptive_field
            return field.status.value, side_text(field.size)
        except Exception as error:  # the refusal is the result
            return "refused", f"{type(error).__name__}"


def verdict(case: Micro, status: str, size: str, exact: str) -> str:
    """Judge a statement against the true field."""
    if status == "refused":
        return "refused"
    if status == "exact":
        return "exact" if size == exact else "WRONG"
    return "bound, tight" if size == exact else "bound, loose"


def main() -> None:
    """Print the table and the sums."""
    print(f"{time.strftime('%Y-%m-%d')}, torch {torch.__version__}, torchlens {torchlens.__version__}\n")
    print(f"{'network':<24}{'fieldspec':>26}   {'TorchLens':<36}")
    sums: dict[str, Counter[str]] = {"fieldspec": Counter(), "TorchLens": Counter()}
    for name, case in MICRO.items():
        if name == "two_outputs":
            continue  # for TorchLens, the choice of the output would be arbitrary
        seen = fs.analyze(case.net, input_size=case.input)[""]
        exact = side_text(seen.receptive_field)
        ours: Any = "exact" if seen.is_proven and seen.receptive_field[0] == case.size else "WRONG"
        status, size = of_torchlens(case)
        theirs = verdict(case, status, size, exact)
        sums["fieldspec"][ours] += 1
        sums["TorchLens"][theirs] += 1
        print(f"{name:<24}{exact + ' ' + seen.status:>26}   {size + ' ' + status:<34}{theirs}")
    print()
    for tool, counts in sums.items():
        print(f"{tool}: " + ", ".join(f"{count} {what}" for what, count in counts.most_common()))


if __name__ == "__main__":
    main()
