"""A recipe's augmentations with albumentations; each image's random draws depend only on seed, epoch and image."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fieldspec.training.data.randomness import derive
from fieldspec.training.recipe.transforms import (
    BrightnessContrast,
    CoarseDropout,
    Grayscale,
    HorizontalFlip,
    RandomCrop,
    ShiftScaleRotate,
    Transform,
    VerticalFlip,
    both_sides,
)

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise the import looks for updates online


class Augmentation:
    """Augments batches of uint8 images on the CPU.

    albumentations keeps two generators, and both are reseeded before each image: numpy's counter-based Philox by a
    new key. That takes 0.02 ms per image; `set_random_seed` takes 0.08.

    Args:
        transforms: The recipe's augmentations.
        mean_color: The data set's mean, 0..255.
        seed: The run's seed.
    """

    def __init__(self, transforms: Sequence[Transform], mean_color: tuple[int, ...], seed: int) -> None:
        self.transforms, self.mean_color, self.seed = tuple(transforms), mean_color, seed
        self._pipeline: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pipeline": None}  # each worker process builds its own

    def __call__(self, pixels: NDArray[np.uint8], numbers: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """Augment the images with these numbers for an epoch: (batch, height, width, channels) -> the same shape."""
        if self._pipeline is None:
            self._pipeline = _Pipeline(self.transforms, self.mean_color, pixels.shape[1:])
        key = derive(self.seed, "augment", epoch)
        augmented = [self._pipeline(image, key, int(number)) for image, number in zip(pixels, numbers, strict=True)]
        return np.stack(augmented)


class _Pipeline:
    """An albumentations `Compose` whose random generators are set from here."""

    def __init__(self, transforms: Sequence[Transform], mean_color: tuple[int, ...], shape: tuple[int, ...]) -> None:
        import albumentations as A  # noqa: N812  # its customary name

        self.compose = A.Compose([_albumentation(one, mean_color, shape) for one in transforms])
        self.philox = np.random.Philox(key=0)
        self.start: Any = self.philox.state  # counter 0, nothing buffered
        self.python = random.Random(0)
        self.compose.set_random_state(np.random.Generator(self.philox), self.python)

    def __call__(self, image: NDArray[np.uint8], key: int, number: int) -> NDArray[np.uint8]:
        self.start["state"]["key"][:] = key, number
        self.philox.state = self.start
        self.python.seed(key << 64 | number)
        augmented: NDArray[np.uint8] = self.compose(image=image)["image"]
        return augmented


def _albumentation(one: Transform, mean: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    """The transform of albumentations 2.0.8; in 1.x its arguments have other names."""
    import albumentations as A  # noqa: N812
    import cv2

    black = (0,) * len(mean)
    match one:
        case HorizontalFlip():
            return A.HorizontalFlip(p=one.p)
        case VerticalFlip():
            return A.VerticalFlip(p=one.p)
        case ShiftScaleRotate():
            (low, high), shift = both_sides(one.scale), both_sides(one.shift)
            return A.Affine(  # A.ShiftScaleRotate is deprecated, and unlike in 1.x scales each axis separately
                scale=(1 + low, 1 + high),
                translate_percent={"x": shift, "y": shift},
                rotate=both_sides(one.rotate),
                shear=0,
                interpolation=cv2.INTER_LINEAR,
                keep_ratio=True,
                border_mode=cv2.BORDER_REFLECT_101 if one.border == "reflect" else cv2.BORDER_CONSTANT,
                fill=mean if one.border == "mean" else black,
                p=one.p,
            )
        case RandomCrop():
            return A.Sequential(
                [
                    A.Pad(
                        padding=one.padding,
                        border_mode=cv2.BORDER_REFLECT_101 if one.border == "reflect" else cv2.BORDER_CONSTANT,
                        fill=mean if one.border == "mean" else black,
                        p=1.0,
                    ),
                    A.RandomCrop(height=shape[0], width=shape[1], p=1.0),
                ],
                p=one.p,
            )
        case CoarseDropout():
            named = {"mean": mean, "black": black}
            fill = named[one.fill] if isinstance(one.fill, str) else one.fill[: len(mean)]
            return A.CoarseDropout(
                num_holes_range=(one.holes, one.holes),
                hole_height_range=(min(one.height, shape[0]),) * 2,
                hole_width_range=(min(one.width, shape[1]),) * 2,
                fill=fill,
                p=one.p,
            )
        case BrightnessContrast():
            return A.RandomBrightnessContrast(
                brightness_limit=both_sides(one.brightness), contrast_limit=both_sides(one.contrast), p=one.p
            )
        case Grayscale():
            return A.ToGray(num_output_channels=3, p=one.p) if len(mean) == 3 else A.NoOp()
    raise TypeError(f"{type(one).__name__} has no counterpart in albumentations")
