"""Image files of odd depths, orientations and damages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.sources.image_files import open_image


@pytest.mark.parametrize(
    ("dtype", "mode"), [(np.uint16, "I;16"), (np.int32, "I")], ids=["sixteen bits", "as older Pillows read them"]
)
def test_sixteen_bits(dtype: Any, mode: str, tmp_path: Path) -> None:
    """Scaled to eight: half of the scale stays grey."""
    ramp = Image.fromarray(np.linspace(0, 65535, 256).astype(dtype).reshape(16, 16))
    assert ramp.mode == mode
    ramp.save(tmp_path / "ramp.tif")
    pixels = open_image(tmp_path / "ramp.tif", (1, 16, 16))
    assert pixels.ravel().tolist() == list(range(256))


def test_floating_point_images(tmp_path: Path) -> None:
    """Nobody knows where their white is."""
    Image.fromarray(np.ones((8, 8), np.float32)).save(tmp_path / "one.tif")
    with pytest.raises(FieldspecError, match=r"one\.tif: contains floating point numbers; save it with 8 or 16 bits"):
        open_image(tmp_path / "one.tif", (1, 8, 8))


def test_damaged_header(tmp_path: Path) -> None:
    """Pillow's errors are of several kinds."""
    (tmp_path / "bad.ppm").write_bytes(b"P6\n8 x\n255\n" + bytes(192))
    with pytest.raises(FieldspecError, match=r"bad\.ppm: "):
        open_image(tmp_path / "bad.ppm", (3, 8, 8))


def test_upright(tmp_path: Path) -> None:
    """A camera writes how it was held beside the pixels, and leaves these lying."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16, 0] = 255  # red on the left
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter: the left is the top
    Image.fromarray(pixels).save(tmp_path / "photo.png", exif=exif)
    upright = open_image(tmp_path / "photo.png", (3, 32, 32))
    assert (upright[:16, :, 0] == 255).all()
    assert (upright[16:] == 0).all()
