"""Training throughput in images per second: fieldspec compared with the seed project, on the same network and data.

    python benchmarks/training.py [--rounds 3] [--steps 20] [--threads 2] [--data FOLDER]

Each variant is timed in each round, in a separate process, since the load of a shared machine changes within minutes.

The seed project: float32, contiguous, each image through PIL and albumentations one by one, a plain loop. fieldspec:
bytes in memory, whole batches, random draws per image, channels_last, bfloat16 if the CPU supports it, freed memory
kept for the next step, Lightning's loop. Both train c1c2c3c40 in batches of 128 with the augmentations of the recipe
`seed`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

import albumentations as A  # noqa: N812  # its customary name
import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from PIL import Image
from seed_network import SeedNetwork
from torch.utils.data import DataLoader, Dataset

import fieldspec as fs
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.data.statistics import statistics as statistics_of
from fieldspec.training.loop.machine import has_bfloat16, versions
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.epoch_files import EpochFiles
from fieldspec.training.run.training import train

BATCH, WARM = 128, 3  # warm-up steps


class SeedImages(Dataset[tuple[torch.Tensor, int]]):
    """Images one by one, through PIL, as from torchvision's CIFAR10."""

    def __init__(self, images: Images, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        self.images = images
        color = tuple(round(255 * value) for value in mean)
        self.transform = A.Compose(
            [
                A.HorizontalFlip(p=0.5),
                A.Affine(
                    scale=(0.9, 1.1),
                    translate_percent=(-0.0625, 0.0625),
                    rotate=(-45, 45),
                    border_mode=cv2.BORDER_REFLECT_101,
                    p=0.5,
                ),
                A.CoarseDropout(
                    num_holes_range=(1, 1), hole_height_range=(16, 16), hole_width_range=(16, 16), fill=color, p=0.5
                ),
                A.Normalize(mean=mean, std=std),
                A.ToTensorV2(),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        picture = Image.fromarray(self.images.pixels[index])
        return self.transform(image=np.array(picture))["image"], int(self.images.labels[index])


def seed_way(images: Images, mean: tuple[float, ...], std: tuple[float, ...]) -> list[float]:
    """Seconds of each step."""
    torch.manual_seed(0)
    net = SeedNetwork().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    times, start = [], time.perf_counter()
    for x, labels in DataLoader(SeedImages(images, mean, std), BATCH, shuffle=True):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        loss.item()  # its progress bar shows the loss of every step
        now = time.perf_counter()
        times.append(now - start)
        start = now
    return times[WARM:]


def our_way(
    data: Data, *, augment: Any = "host", precision: str | None = None, dropout: float | None = None, keep: bool = True
) -> list[float]:
    """Seconds of each step of `fieldspec train c1c2c3c40 --recipe seed`, including fetching.

    Args:
        data: The data set, for its training images.
        augment: Where to augment.
        precision: The precision; None for the machine's default.
        dropout: The rate; None for the network's.
        keep: Whether to keep freed memory, as in any run.
    """
    marks: list[float] = []
    recipe = load_recipe("seed").override(epochs=1, precision=precision, dropout=dropout)
    options = RunOptions(full=True, augment=augment, accelerator="cpu")
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(EpochFiles, "on_train_batch_end", lambda *_: marks.append(time.perf_counter())),
        nullcontext() if keep else patch("fieldspec.training.run.training.keep_freed_memory"),
    ):
        train(fs.load("c1c2c3c40"), recipe, data, Path(folder) / "run", options, tell=lambda text: None)
    return [end - start for start, end in pairwise(marks)][WARM:]


SEED = "seed project's way"
BFLOAT16: dict[str, dict[str, Any]] = {
    "fieldspec, as it comes (bfloat16)": {},
    "fieldspec, as it comes, dropout: 0": {"dropout": 0.0},
}
FLOAT32: dict[str, dict[str, Any]] = {
    "fieldspec, float32": {},
    "fieldspec, float32, memory given back": {"keep": False},
    "fieldspec, float32, --augment device": {"augment": "device"},
    "fieldspec, float32, dropout: 0": {"dropout": 0.0},
}


def timed(way: str, arguments: argparse.Namespace) -> list[float]:
    """Seconds of each step of one variant."""
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    cv2.setNumThreads(1)
    data = load_data(arguments.data, input_size=(3, 32, 32))
    stats = statistics_of(data.train)
    count = BATCH * (arguments.steps + WARM + 1)
    data = replace(data, train=data.train.select(np.arange(count) % len(data.train)))
    if way == SEED:
        return seed_way(data.train, stats.mean, stats.std)
    settings = BFLOAT16[way] if way in BFLOAT16 else {**FLOAT32[way], "precision": "float32"}
    return our_way(data, **settings)


def augmenting(images: Images, color: tuple[int, ...]) -> Iterator[tuple[str, float]]:
    """Milliseconds per image of each way to augment, without a network."""
    transforms, numbers = load_recipe("seed").augment, np.arange(512)
    pixels = images.pixels[:512]
    host, device = Augmentation(transforms, color, 0), DeviceAugmentation(transforms, color, 0)
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    for name, work in (
        ("albumentations, bytes, own draws for each image", lambda: host(pixels, numbers, 0)),
        ("batched tensors (--augment device, here on the CPU)", lambda: device(tensors, torch.from_numpy(numbers), 0)),
    ):
        work()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        yield name, 1000 * min(times) / len(numbers)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", default="cifar10")
    arguments = parser.parse_args()
    packages = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"{datetime.now(UTC).date()}, {platform.machine()}, {packages}")
    print(f"{arguments.threads} threads, bfloat16 in hardware: {'yes' if has_bfloat16('cpu') else 'no'}; ", end="")
    print(f"batches of {BATCH}, {arguments.rounds} rounds of {arguments.steps} steps, medians\n")
    ways = [SEED, *(BFLOAT16 if has_bfloat16("cpu") else ()), *FLOAT32]
    rows: dict[str, list[float]] = {way: [] for way in ways}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as alone:
        for _ in range(arguments.rounds):
            for way in ways:
                rows[way] += alone.submit(timed, way, arguments).result()
    print(f"{'':42}{'s a step':>10}{'images/s':>10}{'seed = 1':>10}")
    seed = statistics.median(rows[SEED])
    for name, times in rows.items():
        step = statistics.median(times)
        print(f"{name:42}{step:>10.3f}{BATCH / step:>10.0f}{seed / step:>10.2f}")
    print(f"\n{'augmentation alone, one core':52}ms an image")
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    images = load_data(arguments.data, input_size=(3, 32, 32)).train
    for name, milliseconds in augmenting(images, statistics_of(images).mean_color):
        print(f"{name:52}{milliseconds:.3f}")


if __name__ == "__main__":
    main()
