"""The picture under the windows: a given image, or a drawn sample, in the size of the network's input."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from math import pi, sin
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from fieldspec.blocks.errors import FieldspecError

MOST = 512  # maximum side in pixels; larger pictures are reduced, windows are not
SMALL = 64  # smaller pictures are stored losslessly, since single pixels are visible
FINE = 4  # the sample is drawn this many times larger, for smooth edges


def picture_of(input_shape: Sequence[int], path: Path | None = None) -> str:
    """Make a picture with an input's height and width, as a data URL.

    Args:
        input_shape: (channels, height, width).
        path: Path of an image, which is center-cropped to the input's aspect ratio; by default, a sample is drawn.

    Raises:
        FieldspecError: The file cannot be read as an image.
    """
    image = image_of(input_shape, path)
    form = "PNG" if max(image.size) <= SMALL else "JPEG"
    out = io.BytesIO()
    image.save(out, form, **({"quality": 86} if form == "JPEG" else {"optimize": True}))
    return data_url(out.getvalue(), form.lower())


def image_of(input_shape: Sequence[int], path: Path | None = None) -> Image.Image:
    """Make the picture as an image, gray for an input with one channel, reduced for large inputs."""
    channels, height, width = input_shape
    size = max(1, round(width * min(1, MOST / width))), max(1, round(height * min(1, MOST / height)))
    image = _read(path, size) if path is not None else sample(size)
    return image.convert("L" if channels == 1 else "RGB")


def data_url(content: bytes, form: str) -> str:
    """Encode an image for embedding in a page."""
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _read(path: Path, size: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return ImageOps.fit(ImageOps.exif_transpose(opened).convert("RGB"), size, Image.Resampling.LANCZOS)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        said = getattr(error, "strerror", None) or "is not an image that Pillow can read"
        raise FieldspecError(f"{path}: {said}") from None


def sample(size: tuple[int, int]) -> Image.Image:
    """Draw a boat on the sea in front of hills, with details at all scales: (width, height) pixels.

    Example:
        >>> sample((32, 32)).size
        (32, 32)
    """
    width, height = size[0] * FINE, size[1] * FINE
    image = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(image)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * width, y * height) for x, y in points]

    horizon = round(0.62 * height)
    for line in range(height):
        sky = line / horizon
        sea = (line - horizon) / (height - horizon)
        color = (255 - 130 * (1 - sky), 214 - 50 * (1 - sky), 170 + 70 * (1 - sky)) if sky < 1 else (
            40 + 20 * sea, 110 - 40 * sea, 150 - 40 * sea)  # fmt: skip
        draw.line([(0, line), (width, line)], fill=tuple(round(part) for part in color))
    draw.ellipse([*at((0.68, 0.14), (0.84, 0.30))[0], *at((0.68, 0.14), (0.84, 0.30))[1]], fill=(255, 244, 214))
    far = [(x / 40, 0.50 + 0.05 * sin(x / 40 * 2.6 * pi) + 0.02 * sin(x / 40 * 9 * pi)) for x in range(41)]
    near = [(x / 40, 0.56 + 0.05 * sin(x / 40 * 3.4 * pi + 2) + 0.012 * sin(x / 40 * 15 * pi)) for x in range(41)]
    draw.polygon(at((0, 0.62), *far, (1, 0.62)), fill=(126, 146, 170))
    draw.polygon(at((0, 0.62), *near, (1, 0.62)), fill=(74, 104, 112))
    for row in range(12):
        for column in range(9):
            x, y = (column * 0.13 + row * 0.057) % 1, 0.66 + row * 0.029
            draw.line(at((x, y), (x + 0.02 + row * 0.003, y)), fill=(120, 178, 200), width=max(1, height // 170))
    draw.polygon(at((0.30, 0.70), (0.40, 0.17), (0.40, 0.70)), fill=(255, 252, 244))
    draw.polygon(at((0.42, 0.26), (0.42, 0.70), (0.62, 0.70)), fill=(214, 72, 56))
    for number in range(1, 4):
        y = 0.70 - number * 0.11
        draw.line(at((0.425, y), (0.62 - number * 0.05, y)), fill=(255, 236, 220), width=max(1, height // 120))
    draw.line(at((0.41, 0.14), (0.41, 0.74)), fill=(66, 44, 32), width=max(1, height // 70))
    draw.polygon(at((0.24, 0.73), (0.68, 0.73), (0.60, 0.82), (0.31, 0.82)), fill=(92, 52, 36))
    draw.line(at((0.25, 0.75), (0.67, 0.75)), fill=(236, 206, 160), width=max(1, height // 90))
    return image.resize(size, Image.Resampling.LANCZOS)
