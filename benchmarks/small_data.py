"""Accuracy after short runs, by the source of batch norm's statistics.

    nice python benchmarks/small_data.py --data /path/to/cifar10 [--seeds 0 1 2] [--only 90 600] [--threads 1]

Each run's last weights are evaluated three times on the same 1,000 test images: with torch's running average (momentum
0.1, starting at mean 0 and variance 1), with a running average that is a plain mean for its first ten steps, and with
statistics recomputed on training images after the last step. Training uses only the statistics of each batch, so the
weights are the same in all three.

The images are the first of each class of CIFAR-10. In the set of 20 classes, ten are upside down. For 48 pixels, images
and the network's input are enlarged.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

import fieldspec as fs
from fieldspec.training import Data, Images, RunOptions, evaluate, load_data, load_recipe, train
from fieldspec.training.data.normalization import Normalize
from fieldspec.training.loop.task import Task

TESTED = 1000
WAYS = ("moving mean", "plain, then moving", "taken anew")


@dataclass(frozen=True)
class SmallSet:
    """A data set and the length of its training."""

    images: int
    classes: int
    side: int
    epochs: int


SETS = (SmallSet(90, 3, 32, 25), SmallSet(90, 3, 48, 25), SmallSet(600, 3, 32, 3), SmallSet(600, 3, 48, 3),
        SmallSet(2000, 20, 32, 10))  # fmt: skip


def made(cifar: Data, one: SmallSet) -> Data:
    """Its images, from CIFAR-10."""
    assert cifar.test is not None
    parts = [_part(images, count, one) for images, count in ((cifar.train, one.images), (cifar.test, TESTED))]
    return Data(f"{one.images} of {one.classes}", parts[0], None, parts[1])


def _part(images: Images, count: int, one: SmallSet) -> Images:
    pixels, labels, own = [], [], min(one.classes, 10)
    for label in range(one.classes):
        members = np.flatnonzero(images.labels == label % own)
        share = -(-count // one.classes)
        chosen = images.pixels[members[label // own * share :][:share]]
        pixels.append(chosen if label < own else chosen[:, ::-1])
        labels += [label] * len(chosen)
    every = np.concatenate(pixels)
    if one.side != every.shape[1]:
        size = (one.side, one.side)
        every = np.stack([np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BICUBIC)) for p in every])
    names = tuple(f"{images.classes[n % own]}{', upside down' if n >= own else ''}" for n in range(one.classes))
    return Images(np.ascontiguousarray(every), np.array(labels), names)


class Watched:
    """The statistics that a batch norm would have with another running average."""

    def __init__(self, channels: int) -> None:
        self.step = 0
        self.kept = {way: [torch.zeros(channels), torch.ones(channels)] for way in WAYS[:2]}

    def see(self, x: Tensor) -> None:
        """Take a batch at the norm's input: (batch, channels, height, width)."""
        self.step += 1
        variance, mean = torch.var_mean(x.detach().float(), (0, 2, 3))
        for way, momentum in zip(WAYS[:2], (0.1, max(0.1, 1 / self.step)), strict=True):
            for old, new in zip(self.kept[way], (mean, variance), strict=True):
                old.lerp_(new, momentum)


def norms(net: nn.Module) -> Iterator[tuple[str, nn.BatchNorm2d]]:
    """By name."""
    return ((name, module) for name, module in net.named_modules() if isinstance(module, nn.BatchNorm2d))


def accuracies(data: Data, one: SmallSet, seed: int) -> dict[str, float]:
    """Accuracies of one run, in percent of the test images."""
    watched: dict[str, Watched] = {}
    hooks: list[Any] = []

    def watch(task: Task) -> None:
        for name, module in norms(task.net):
            watched[name] = Watched(module.num_features)
            see = watched[name].see
            hooks.append(module.register_forward_pre_hook(lambda m, x, see=see: see(x[0]) if m.training else None))

    def leave(task: Task) -> None:
        for hook in hooks:
            hook.remove()

    document = fs.load("c1c2c3c40").to_dict()
    spec = fs.load({**document, "input": [3, one.side, one.side]})
    recipe = load_recipe("fast25").override(epochs=one.epochs, seed=seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(Task, "on_train_start", watch),
        patch.object(Task, "on_train_end", leave),
    ):
        run = train(spec, recipe, data, Path(folder) / "run", RunOptions(), tell=lambda text: None)
    mean, std = tuple(run.info["mean"]), tuple(run.info["std"])
    nets = {way: deepcopy(run.net) for way in WAYS}
    for way in WAYS[:2]:
        for name, module in norms(nets[way]):
            module.running_mean, module.running_var = watched[name].kept[way]
    prepare = Normalize(mean, std).of_bytes
    numbers = np.array_split(np.arange(len(data.train)), -(-len(data.train) // 500))
    update_bn((prepare(torch.from_numpy(data.train.pixels[part])) for part in numbers), nets[WAYS[2]])
    assert data.test is not None
    return {
        way: 100 * evaluate(net.eval(), data.test, mean=mean, std=std).accuracy
        for way, net in {**nets, "as it is judged": run.net}.items()
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", type=int, nargs="*", help="Numbers of images of the sets to run.")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cifar = load_data(arguments.data, input_size=(3, 32, 32))
    print(f"{datetime.now(UTC).date()}, {platform.machine()}, torch {torch.__version__}, {arguments.threads} threads")
    print(f"c1c2c3c40 by fast25, seeds {arguments.seeds}; % of {TESTED:,} test images\n", flush=True)
    columns = (*WAYS, "as it is judged")
    print(f"{'images':>6} {'classes':>7} {'pixels':>6} {'epochs':>6}  " + "  ".join(f"{way:>20}" for way in columns))
    for one in SETS:
        if arguments.only and one.images not in arguments.only:
            continue
        data = made(cifar, one)
        rows = [accuracies(data, one, seed) for seed in arguments.seeds]
        cells = [[row[way] for row in rows] for way in columns]
        said = [f"{' '.join(f'{v:.1f}' for v in values)} {statistics.mean(values):5.1f}" for values in cells]
        print(f"{one.images:>6} {one.classes:>7} {one.side:>6} {one.epochs:>6}  "
              + "  ".join(f"{text:>20}" for text in said), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
