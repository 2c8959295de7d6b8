"""Augmentations of a recipe, with their settings."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le, Predicate
from pydantic import BaseModel

from fieldspec.architectures.document.validation import STRICT
from fieldspec.blocks.settings import Says

Chance = Annotated[float, Ge(0), Le(1), Says("a number from 0 to 1")]
PixelCount = Annotated[int, Ge(1), Le(4096), Says("a whole number of pixels, from 1 to 4096")]
Grey = Annotated[int, Ge(0), Le(255)]


def _rises(pair: tuple[float, float]) -> bool:
    return pair[0] <= pair[1]


def _range(limit: float) -> str:
    return f"a number from 0 to {limit:g} (both directions), or [from, to] between -{limit:g} and {limit:g}"


_Half = Annotated[float, Ge(-0.5), Le(0.5)]
_Degrees = Annotated[float, Ge(-180), Le(180)]
_Share = Annotated[float, Ge(-0.95), Le(0.95)]
Shift = Annotated[
    Annotated[float, Ge(0), Le(0.5)] | Annotated[tuple[_Half, _Half], Predicate(_rises)], Says(_range(0.5))
]
Angle = Annotated[
    Annotated[float, Ge(0), Le(180)] | Annotated[tuple[_Degrees, _Degrees], Predicate(_rises)], Says(_range(180))
]
Amount = Annotated[
    Annotated[float, Ge(0), Le(0.95)] | Annotated[tuple[_Share, _Share], Predicate(_rises)], Says(_range(0.95))
]
Border = Annotated[Literal["reflect", "mean", "black"], Says("reflect, mean or black")]
Fill = Annotated[
    Literal["mean", "black"] | tuple[Grey, Grey, Grey],
    Says("mean (of the data set), black, or [red, green, blue] from 0 to 255"),
]


class Transform(BaseModel):
    """Base of all augmentations; `p` is the probability that an image gets it."""

    model_config = STRICT
    p: Chance = 0.5


class HorizontalFlip(Transform):
    """Flip left to right."""


class VerticalFlip(Transform):
    """Flip top to bottom."""


class ShiftScaleRotate(Transform):
    """Shift, scale and rotate about the center, each by a random amount from its range; bilinear.

    Shifts are rounded towards zero to whole pixels, as in albumentations 2: 0.0625 of 32 pixels is at most one pixel.
    """

    shift: Shift = 0.0625  # share of width and height
    scale: Amount = 0.1  # the factor is 1 + scale
    rotate: Angle = 45  # degrees
    border: Border = "reflect"  # reflect is cv2's BORDER_REFLECT_101: the edge is not repeated


class RandomCrop(Transform):
    """Pad the image by `padding` pixels on each side, then crop a random window of its original size."""

    p: Chance = 1.0
    padding: PixelCount = 4
    border: Border = "reflect"


class CoarseDropout(Transform):
    """Fill random rectangles inside the image with one color."""

    holes: Annotated[int, Ge(1), Le(64), Says("a whole number from 1 to 64")] = 1
    height: PixelCount = 16
    width: PixelCount = 16
    fill: Fill = "mean"


class BrightnessContrast(Transform):
    """Multiply by 1 + contrast, then add brightness, in units of the full scale."""

    brightness: Amount = 0.2
    contrast: Amount = 0.2


class Grayscale(Transform):
    """Convert to gray (luminance)."""

    p: Chance = 0.1


TRANSFORMS: dict[str, type[Transform]] = {
    "brightness_contrast": BrightnessContrast,
    "coarse_dropout": CoarseDropout,
    "grayscale": Grayscale,
    "horizontal_flip": HorizontalFlip,
    "random_crop": RandomCrop,
    "shift_scale_rotate": ShiftScaleRotate,
    "vertical_flip": VerticalFlip,
}
SYNONYMS = {
    "crop": "random_crop",
    "cutout": "coarse_dropout",
    "flip": "horizontal_flip",
    "random_erasing": "coarse_dropout",
    "to_gray": "grayscale",
}


def both_sides(value: float | tuple[float, float]) -> tuple[float, float]:
    """Expand a single number to a symmetric range.

    Example:
        >>> both_sides(0.1), both_sides((-5, 20))
        ((-0.1, 0.1), (-5, 20))
    """
    return value if isinstance(value, tuple) else (-value, value)
