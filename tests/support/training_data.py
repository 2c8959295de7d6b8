"""Small data sets in the real formats, written by the tests themselves."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import replace
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10

from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data, Images
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.recipe.recipe import Recipe, load_recipe

torch.set_num_threads(1)  # sums in one order in every process; and threads of several test processes wait in circles

TINY: dict[str, Any] = {
    "name": "tiny",
    "input": [3, 32, 32],
    "layers": [{"conv": {"out": 8, "stride": 2}}, {"conv": {"out": 16, "stride": 2}}, {"dropout": {"p": 0.1}}],
    "head": {"classes": 10},
}
QUICK: dict[str, Any] = {  # everything that draws random numbers or keeps a state
    "name": "quick",
    "epochs": 3,
    "batch_size": 64,
    "optimizer": {"sgd": {"lr": 0.2, "nesterov": True}},
    "schedule": {"one_cycle": {}},
    "weight_decay": {"rate": 1e-3, "exclude": ["norm", "bias"]},
    "augment": [
        {"horizontal_flip": {}},
        {"shift_scale_rotate": {"rotate": 15}},
        {"coarse_dropout": {"height": 8, "width": 8, "p": 0.25}},
    ],
    "label_smoothing": 0.1,
    "mixup": 0.1,
    "l1": 1e-6,
    "ema": 0.9,
    "clip": 5.0,
    "precision": "float32",
}
PLAIN: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": {"sgd": {"lr": 0.1}},
    "schedule": {"one_cycle": {}},
    "precision": "float32",
}


def tiny(**changes: Any) -> ArchitectureSpec:
    """A network of 1,562 parameters."""
    return load({**TINY, **changes})


def quick(**changes: Any) -> Recipe:
    """A recipe that uses everything, in three epochs."""
    return load_recipe({**QUICK, **changes})


def silent(text: str) -> None:
    """Tells nobody."""


def stopped_in_the_second_epoch(text: str) -> None:
    """Takes the lines of a run, and ends it when its second epoch is over and its state not yet saved."""
    if text.startswith("epoch 2/"):
        raise FieldspecError("in the second epoch")


def fake() -> Data:
    """800 made-up images of ten classes."""
    return load_data("fake", input_size=(3, 32, 32))


def relabelled(data: Data, **changes: Any) -> Data:
    """The same with other training images, labels or names."""
    part = data.train
    given = {"pixels": part.pixels, "labels": part.labels, "classes": part.classes, **changes}
    return replace(data, train=Images(**given))


def colored(labels: Sequence[int], side: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Noisy images whose colour tells their class: (n, side, side, 3)."""
    random = np.random.default_rng(seed)
    hues = np.random.default_rng(7).integers(60, 196, (100, 3))[np.asarray(labels)]
    noise = random.normal(0, 25, (len(labels), side, side, 3))
    pixels: np.ndarray[Any, np.dtype[np.uint8]] = (hues[:, None, None] + noise).clip(0, 255).astype(np.uint8)
    return pixels


def write_cifar10(folder: Path, monkeypatch: pytest.MonkeyPatch, *, per_file: int = 40) -> Path:
    """CIFAR-10's official layout with fewer images; torchvision is told their true MD5 sums, and checks them."""
    inside = folder / "cifar-10-batches-py"
    inside.mkdir(parents=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    sums = {}
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]):
        labels = [index % 10 for index in range(per_file)]
        rows = colored(labels, 32, number).transpose(0, 3, 1, 2).reshape(per_file, 3072)  # a plane a channel
        batch: dict[str, Any] = {"data": rows, "labels": labels, "batch_label": name, "filenames": ["x.png"] * per_file}
        content = pickle.dumps({"label_names": names} if name == "batches.meta" else batch, protocol=2)
        (inside / name).write_bytes(content)
        sums[name] = md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{n}", sums[f"data_batch_{n}"]] for n in range(1, 6)])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": sums["batches.meta"]})
    return folder


def write_image_folder(folder: Path, parts: Sequence[str] = ("train", "test"), *, side: int = 48) -> Path:
    """Images of three classes as PNG files, a folder a class."""
    for part in parts:
        for label, name in enumerate(["apple", "banana", "cherry"]):
            place = folder / part / name
            place.mkdir(parents=True)
            for number, pixels in enumerate(colored([label] * 12, side, label + 10 * len(part))):
                Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file."""
    from safetensors.torch import load_file

    return load_file(path)


def assert_same_tensors(one: Path, other: Path) -> None:
    """Bit for bit."""
    left, right = tensors_of(one), tensors_of(other)
    assert list(left) == list(right)
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name
