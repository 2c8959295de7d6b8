"""Milliseconds of a training step on a GPU, with single kernel launches and with CUDA graphs.

    python benchmarks/graphs.py [--network c1c2c3c40_plus] [--batch-size 128] [--steps 40]

The same batch repeatedly, bfloat16 autocast, channels_last, fast25's Muon; no data loading, no Lightning.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor

import fieldspec as fs
from fieldspec.training.loop.cuda_graphs import Graphed, quiet
from fieldspec.training.loop.machine import hardware, versions
from fieldspec.training.recipe.optimizers import parameter_groups
from fieldspec.training.recipe.recipe import load_recipe


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", default="c1c2c3c40_plus")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this measures a GPU, and torch finds none")
    torch.backends.cudnn.benchmark = True  # as set for Lightning
    net = fs.build(given.network).cuda().to(memory_format=torch.channels_last).train()
    recipe = load_recipe("fast25")
    optimizer = recipe.optimizer.make(parameter_groups(net, recipe.settings.weight_decay))
    shape = (given.batch_size, *net.spec.input)
    x = torch.randn(shape, device="cuda").to(memory_format=torch.channels_last)
    target = torch.randint(net.num_classes, (given.batch_size,), device="cuda")

    def step(forward: Callable[[Tensor], Tensor], update: bool) -> None:
        with torch.autocast("cuda", torch.bfloat16):
            loss = F.cross_entropy(forward(x), target)
        optimizer.zero_grad()
        loss.backward()
        if update:
            optimizer.step()

    def measured(forward: Callable[[Tensor], Tensor], update: bool) -> str:
        """Milliseconds per step, and the part in which the host is busy."""
        for number in range(given.steps + 5):
            if number == 5:  # the first steps are the warm-up
                torch.cuda.synchronize()
                begun = time.perf_counter()
            step(forward, update)
        host = time.perf_counter() - begun
        torch.cuda.synchronize()
        whole = time.perf_counter() - begun
        return f"{1e3 * whole / given.steps:8.2f} {1e3 * host / given.steps:8.2f}"

    print(datetime.now(UTC).date(), hardware("cuda"), ", ".join(f"{k} {v}" for k, v in versions().items()))
    print(f"{given.network}, batches of {given.batch_size}, {given.steps} steps each\n")
    with quiet():
        begun = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            graphed = Graphed(net, shape, torch.channels_last)
        captured = time.perf_counter() - begun
        print(f"{'':34}ms a step  host ms")
        rows = {"passes, launch by launch": (net, False), "passes, replayed": (graphed, False)}
        rows |= {"passes, replayed, and optimizer": (graphed, True)}
        for name, (forward, update) in rows.items():
            print(f"{name:<34} {measured(forward, update)}")
    print(f"\ncapturing took {captured:.1f} s, cudnn's choice of algorithms included")


if __name__ == "__main__":
    main()
