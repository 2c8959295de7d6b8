"""Image files as pixels, upright, in a network's size and channels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import size_text
from fieldspec.training.data.images import Images

BEHIND = "white"  # background of transparent pixels


def open_image(path: Path, input_size: tuple[int, ...], sizes: set[tuple[int, int]] | None = None) -> NDArray[np.uint8]:
    """Read a file's image in a network's size and channels, upright by its EXIF data: (height, width, channels).

    Args:
        path: The image file.
        input_size: Channels, height, width.
        sizes: Gets the height and width in the file, before resizing.

    Raises:
        FieldspecError: It is not an image, is truncated, or has floating point pixels, whose white is unknown.
    """
    try:
        with Image.open(path) as image:
            original = _upright_size(image)
            image.draft(None, (4 * max(input_size[1:]),) * 2)  # large JPEGs are decoded reduced, which is faster
            image.load()
            pixels = resized(_eight_bits(ImageOps.exif_transpose(image)), input_size)
    except UnidentifiedImageError:
        raise FieldspecError(f"{path}: is not an image that Pillow can read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # all raised by Pillow
        raise FieldspecError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if sizes is not None:
        sizes.add(original)
    return pixels


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Height and width by the EXIF data, whose orientations from 5 turn by 90 degrees."""
    width, height = image.size
    return (width, height) if image.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9) else (height, width)


def resizing(sizes: Iterable[tuple[int, int]], input_size: tuple[int, ...]) -> list[str]:
    """The remark that images of these heights and widths are resized to a network's size, if any are.

    Example:
        >>> resizing({(16, 16)}, (3, 32, 32)), resizing({(16, 16), (32, 32), (48, 64)}, (3, 32, 32))
        (['images of 16x16 are resized to 32x32'], ['images of 2 other sizes are resized to 32x32'])
        >>> resizing({(32, 32)}, (3, 32, 32))
        []
    """
    others = set(sizes) - {(input_size[1], input_size[2])}
    if not others:
        return []
    which = size_text(next(iter(others))) if len(others) == 1 else f"{len(others):,} other sizes"
    return [f"images of {which} are resized to {size_text(input_size[1:])}"]


def _eight_bits(image: Image.Image) -> Image.Image:
    """Convert 16 bits to 8; Pillow's own conversion turns everything over 255 white."""
    if image.mode == "F":
        raise ValueError("contains floating point numbers; save it with 8 or 16 bits")
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image).clip(0, 65535) // 257).astype(np.uint8))


def resized(image: Image.Image, input_size: tuple[int, ...]) -> NDArray[np.uint8]:
    """Resize an image to a network's size and channels: (height, width, channels)."""
    channels, height, width = input_size
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, BEHIND), image)
    image = image.convert("RGB" if channels == 3 else "L")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.uint8).reshape(height, width, channels)


def fit(images: Images, input_size: tuple[int, ...]) -> Images:
    """Resize images in memory to a network's size and channels."""
    channels, height, width = input_size
    if images.pixels.shape[1:] == (height, width, channels):
        return images
    pixels = np.stack([resized(Image.fromarray(one), input_size) for one in images.pixels])
    return Images(pixels, images.labels, images.classes)
