"""Augmentation: albumentations' traps, draws that depend on seed, epoch and image alone, both ways agree."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from training_data import colored, fake

from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.batches import Fetch, InOrder, Shuffled, loader
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Images
from fieldspec.training.data.randomness import derive, uniforms
from fieldspec.training.recipe.recipe import load_recipe, recipe_names
from fieldspec.training.recipe.transforms import (
    TRANSFORMS,
    BrightnessContrast,
    CoarseDropout,
    Grayscale,
    HorizontalFlip,
    RandomCrop,
    ShiftScaleRotate,
    Transform,
    VerticalFlip,
)

MEAN = (125, 123, 114)
ALL: list[Transform] = [kind(p=0.5) for kind in TRANSFORMS.values()]
Pixels = NDArray[np.uint8]


def smooth(count: int = 6, side: int = 32) -> Pixels:
    """Images without edges, on which interpolations agree: (count, side, side, 3)."""
    rows, columns = np.mgrid[:side, :side] / side
    waves = [np.sin(3 * rows + n) + np.cos(4 * columns - n) for n in range(3 * count)]
    images = (128 + 50 * np.stack(waves)).reshape(count, 3, side, side)
    return images.transpose(0, 2, 3, 1).round().astype(np.uint8)


def host(transforms: list[Transform], pixels: Pixels, seed: int = 0, epoch: int = 0) -> Pixels:
    """Through albumentations."""
    return Augmentation(transforms, MEAN[: pixels.shape[3]], seed)(pixels, np.arange(len(pixels)), epoch)


def device(transforms: list[Transform], pixels: Pixels, seed: int = 0, epoch: int = 0) -> NDArray[np.float32]:
    """Through tensors."""
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    augment = DeviceAugmentation(transforms, MEAN[: pixels.shape[3]], seed)
    result: NDArray[np.float32] = augment(x, torch.arange(len(x)), epoch).permute(0, 2, 3, 1).numpy()
    return result


@pytest.mark.parametrize("way", [host, device])
def test_one_hole_of_the_mean_color(way: Any) -> None:
    """Coarse dropout cuts exactly one hole of 16x16 whole pixels, of the data set's mean colour, anywhere inside."""
    black = np.zeros((200, 32, 32, 3), np.uint8)
    cut = way([CoarseDropout(p=1.0)], black)
    inside = (cut == MEAN).all(-1)
    assert ((cut != 0).any(-1) == inside).all()
    corners = set()
    for one in inside:
        rows, columns = np.flatnonzero(one.any(1)), np.flatnonzero(one.any(0))
        assert one.sum() == 16 * 16
        assert (len(rows), len(columns), int(np.ptp(rows)), int(np.ptp(columns))) == (16, 16, 15, 15)
        corners.add((rows[0], columns[0]))
    tops, lefts = zip(*corners, strict=True)
    assert len(corners) > 100
    assert {min(tops), max(tops), min(lefts), max(lefts)} <= {0, 1, 15, 16}  # everywhere that it fits


@pytest.mark.parametrize("way", [host, device])
def test_how_often(way: Any) -> None:
    """A quarter of the images has the hole when p is 0.25."""
    cut = way([CoarseDropout(p=0.25)], np.zeros((1000, 32, 32, 3), np.uint8))
    assert 0.2 < cut.any((1, 2, 3)).mean() < 0.3


@pytest.mark.parametrize("way", [host, device])
def test_borders_are_reflected(way: Any) -> None:
    """What comes in from outside is the image's own, never black, unless the recipe says so."""
    bright = np.full((50, 32, 32, 3), 200, np.uint8)
    moved = ShiftScaleRotate(p=1.0, shift=0.3, scale=0.4, rotate=45)
    assert np.abs(way([moved], bright).astype(int) - 200).max() <= 1
    black = moved.model_copy(update={"border": "black"})
    assert (way([black], bright).round() == 0).mean() > 0.1
    of_mean = moved.model_copy(update={"border": "mean"})
    assert (way([of_mean], bright).round() == MEAN).all(-1).mean() > 0.1
    assert (way([RandomCrop(padding=8)], bright) == 200).all()
    assert (way([RandomCrop(padding=8, border="black")], bright) == 0).any()


PINNED: list[list[Transform]] = [
    [HorizontalFlip(p=1.0)],
    [VerticalFlip(p=1.0)],
    [ShiftScaleRotate(p=1.0, shift=(0.125, 0.125), scale=(0, 0), rotate=(0, 0))],
    [ShiftScaleRotate(p=1.0, shift=(0, 0), scale=(0.3, 0.3), rotate=(0, 0))],
    [ShiftScaleRotate(p=1.0, shift=(0, 0), scale=(0, 0), rotate=(30, 30))],
    [ShiftScaleRotate(p=1.0, shift=(-0.1, -0.1), scale=(-0.3, -0.3), rotate=(-20, -20))],
    [BrightnessContrast(p=1.0, brightness=(0.1, 0.1), contrast=(-0.2, -0.2))],
    [Grayscale(p=1.0)],
]


@pytest.mark.parametrize("transforms", PINNED, ids=[str(row[0]) for row in PINNED])
def test_both_ways_agree(transforms: list[Transform]) -> None:
    """Where nothing is left to chance, tensors give what albumentations gives, to a grey level."""
    pixels = smooth()
    difference = np.abs(host(transforms, pixels) - device(transforms, pixels))
    assert difference.max() < 1
    assert (host(transforms, pixels) != pixels).any()


@pytest.mark.parametrize("way", [host, device])
def test_crop_shifts(way: Any) -> None:
    """A crop of a padded image is the image moved by whole pixels, up to the padding, in both directions."""
    rows, columns = np.mgrid[:32, :32]
    pixels = np.repeat(np.stack([4 * rows, 4 * columns, 0 * rows], -1)[None].astype(np.uint8), 300, 0)
    cropped = np.asarray(way([RandomCrop(padding=4)], pixels), int)
    moves = {tuple((cropped[n, 16, 16] - pixels[n, 16, 16])[:2] // 4) for n in range(300)}
    ups, lefts = (sorted(set(axis)) for axis in zip(*moves, strict=True))
    assert ups == lefts == list(range(-4, 5))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", list(TRANSFORMS))
@pytest.mark.parametrize("way", [host, device])
def test_shapes(way: Any, kind: str, channels: int) -> None:
    """Every transform keeps the shape, with one channel or three, oblong too."""
    pixels = np.random.default_rng(0).integers(0, 256, (5, 24, 20, channels), dtype=np.uint8)
    result = way([TRANSFORMS[kind](p=1.0)], pixels)
    assert result.shape == pixels.shape
    assert 0 <= result.min() <= result.max() <= 255


@pytest.mark.parametrize("kind", [Augmentation, DeviceAugmentation])
def test_draws_belong_to_the_image(kind: Any) -> None:
    """An image looks the same in whatever batch it comes, after whatever came before; not in another epoch or run."""
    pixels = colored([n % 10 for n in range(40)], 32, 0)
    numbers = np.arange(40)

    def augmented(part: Any, epoch: int = 3, seed: int = 0) -> Any:
        augment = kind(ALL, MEAN, seed)
        if kind is Augmentation:
            return augment(pixels[part], numbers[part], epoch)
        return augment(torch.from_numpy(pixels[part]).permute(0, 3, 1, 2).float(), torch.tensor(part), epoch).numpy()

    whole = augmented(numbers)
    assert np.array_equal(whole[[5, 30]], augmented(np.array([5, 30])))
    assert np.array_equal(whole[::-1], augmented(numbers[::-1].copy()))
    for other in (augmented(numbers, epoch=4), augmented(numbers, seed=1)):
        assert (whole != other).any((1, 2, 3)).mean() > 0.8


def test_pickled_for_worker_processes() -> None:
    """A copy in another process augments alike."""
    pixels = colored([0, 1], 32, 0)
    augment = Augmentation(ALL, MEAN, 0)
    first = augment(pixels, np.arange(2), 0)
    assert np.array_equal(pickle.loads(pickle.dumps(augment))(pixels, np.arange(2), 0), first)


def test_the_largest_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounded to float32 a draw next to 1 stays below it: the window of a crop ends with its border."""
    monkeypatch.setattr(
        "fieldspec.training.data.device_augmentation.uniforms",
        lambda key, ids, count: np.full((len(ids), count), 1 - 2**-53),
    )
    x = torch.rand(2, 3, 8, 8)
    for border in ("mean", "reflect"):
        crop = DeviceAugmentation([RandomCrop(padding=4, border=border, p=1)], (9, 9, 9), 0)
        torch.testing.assert_close(crop(x, torch.arange(2), 0)[:, :, :4, :4], x[:, :, 4:, 4:])
    hole = DeviceAugmentation([CoarseDropout(height=3, width=3, fill=(9, 9, 9), p=1)], (9, 9, 9), 0)
    assert (hole(x, torch.arange(2), 0)[:, :, -3:, -3:] == 9).all()


def test_derived_seeds() -> None:
    """Paths that are spelt alike when joined are no accident: names are words, numbers are numbers."""
    seeds = {derive(seed, name, number) for seed in range(20) for name in ("augment", "step") for number in range(50)}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_uniforms_are_uniform() -> None:
    """A million draws fill [0, 1) evenly, and neither rows nor columns are alike."""
    draws = uniforms(derive(0, "test"), np.arange(100_000), 10)
    counts = np.histogram(draws, 20, (0, 1))[0]
    assert abs(counts / 50_000 - 1).max() < 0.02
    assert abs(np.corrcoef(draws.T) - np.eye(10)).max() < 0.02
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.02


# ----------------------------------------------------------------------------------------------- batches


def images(count: int) -> Images:
    """Images whose first byte is their number."""
    pixels = np.zeros((count, 4, 4, 3), np.uint8)
    pixels[:, 0, 0, 0] = np.arange(count)
    return Images(pixels, np.arange(count) % 3, ("a", "b", "c"))


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_processes_share_the_same_batches(world_size: int) -> None:
    """However many processes there are, together they take the same images in the same step."""
    alone = Shuffled(107, 16, seed=5)
    alone.set_epoch(2)
    shared = [Shuffled(107, 16, 5, rank=rank, world_size=world_size) for rank in range(world_size)]
    for one in shared:
        one.set_epoch(2)
    assert len({len(one) for one in shared}) == 1
    for (_, whole), *parts in zip(alone, *shared, strict=True):
        together = np.concatenate([numbers for _, numbers in parts])
        assert len({len(numbers) for _, numbers in parts}) == 1
        assert set(together) <= set(whole)
        assert len(whole) - len(together) < world_size
    assert len(list(shared[0])) == len(shared[0])


def test_every_image_once_an_epoch() -> None:
    """An epoch is a permutation; another epoch or seed is another one."""
    orders = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0)):
        sampler = Shuffled(50, 8, seed)
        sampler.set_epoch(epoch)
        orders.append(np.concatenate([numbers for _, numbers in sampler]))
        assert sorted(orders[-1]) == list(range(50))
    assert not np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


@pytest.mark.parametrize("world_size", [1, 3])
def test_in_order(world_size: int) -> None:
    """Judging takes every image once, whoever takes it."""
    parts = [InOrder(20, 6, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert sorted(np.concatenate([numbers for part in parts for _, numbers in part])) == list(range(20))
    assert [len(list(part)) for part in parts] == [len(part) for part in parts]


def test_whole_batches() -> None:
    """Pixels, labels and numbers of a batch belong together, and are bytes."""
    for pixels, labels, numbers in loader(Fetch(images(20)), Shuffled(20, 8, 0)):
        assert pixels.dtype == torch.uint8
        assert pixels.shape[1:] == (4, 4, 3)
        assert torch.equal(pixels[:, 0, 0, 0].long(), numbers)
        assert torch.equal(labels, numbers % 3)


def test_recipes_change_most_images() -> None:
    """Each shipped recipe's pipeline runs, and leaves few images as they are."""
    pixels = colored([n % 10 for n in range(50)], 32, 0)
    for name in recipe_names():
        augmented = host(list(load_recipe(name).augment), pixels)
        assert (augmented != pixels).any((1, 2, 3)).mean() > 0.6


def test_holes_and_frames_larger_than_the_image() -> None:
    """A hole covers all of it; a frame is reflected as often as it takes."""
    pixels = fake().train.pixels[:4, :8, :8]
    numbers = np.arange(4)
    for kind in (Augmentation, lambda *settings: DeviceAugmentation(*settings).of_bytes):
        covered = kind((CoarseDropout(p=1, height=16, width=9),), (1, 2, 3), 0)(pixels, numbers, 0)
        assert (covered == [1, 2, 3]).all()
        for border in ("reflect", "mean"):
            cropped = kind((RandomCrop(padding=20, border=border),), (1, 2, 3), 0)(pixels, numbers, 0)
            assert cropped.shape == pixels.shape
