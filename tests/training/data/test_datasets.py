"""Data sets in their real formats, the ways that they can be broken, and what is told of them."""

from __future__ import annotations

import pickle
import urllib.error
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10
from training_data import fake, write_cifar10, write_image_folder

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.data.normalization import unnormalize
from fieldspec.training.data.sources import datasets
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.data.sources.image_files import open_image
from fieldspec.training.data.splits import hold_out
from fieldspec.training.data.statistics import statistics
from fieldspec.training.run.information import summary

INPUT = (3, 32, 32)


@pytest.mark.parametrize("form", ["{0}", "{0}/cifar-10-batches-py", "cifar10:{0}"])
def test_cifar10(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official files are recognized in a folder, by name, and by their own folder."""
    write_cifar10(tmp_path, monkeypatch)
    data = load_data(form.format(tmp_path), input_size=INPUT)
    assert data.name == "cifar10"
    assert (len(data.train), len(data.test or ()), data.held_out) == (200, 40, None)
    assert data.train.pixels.shape == (200, 32, 32, 3)
    assert data.train.pixels.dtype == np.uint8
    assert data.train.classes[:3] == ("airplane", "automobile", "bird")
    with (tmp_path / "cifar-10-batches-py" / "data_batch_1").open("rb") as file:
        row = pickle.load(file)["data"][7]
    assert np.array_equal(data.train.pixels[7], row.reshape(3, 32, 32).transpose(1, 2, 0))


def test_damaged_cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte that was changed, and a file that is missing, are found by the MD5 sums and named."""
    write_cifar10(tmp_path, monkeypatch)
    file = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    (tmp_path / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(FieldspecError, match=r"cifar10 is incomplete or damaged \(data_batch_3, test_batch\); delete"):
        load_data(str(tmp_path), input_size=INPUT)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (urllib.error.URLError("Name or service not known"), "Name or service not known"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (EOFError("Compressed file ended early"), "Compressed file ended early"),
    ],
)
def test_download_that_breaks_off(
    error: Exception, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the reason and both ways out."""

    def broken(self: Any) -> None:
        raise error

    monkeypatch.setattr(CIFAR10, "download", broken)
    with pytest.raises(FieldspecError, match=f"cifar10 cannot be downloaded to .*: {words}. Try again, or give --data"):
        load_data(f"cifar10:{tmp_path}", input_size=INPUT)


def test_download_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive with another MD5 sum is not used."""

    def broken(self: Any) -> None:
        raise RuntimeError("File not found or corrupted.")

    monkeypatch.setattr(CIFAR10, "download", broken)
    monkeypatch.setattr(datasets, "CACHE", tmp_path)
    with pytest.raises(FieldspecError, match="the download of cifar10 is damaged; run the command again"):
        load_data("cifar10", input_size=INPUT)


@pytest.mark.parametrize("form", ["imagefolder:{}", "{}"])
def test_image_folder(form: str, tmp_path: Path) -> None:
    """48x48 images of three classes come in the network's size, the classes in the order of their names."""
    write_image_folder(tmp_path / "fruit")
    data = load_data(form.format(tmp_path / "fruit"), input_size=INPUT)
    assert data.name == "fruit"
    assert data.train.classes == ("apple", "banana", "cherry")
    assert data.train.pixels.shape == (36, 32, 32, 3)
    assert data.held_out is None
    assert np.bincount(data.train.labels).tolist() == [12, 12, 12]
    grey = load_data(str(tmp_path / "fruit"), input_size=(1, 20, 24))
    assert grey.train.pixels.shape == (36, 20, 24, 1)


def test_val_is_held_out(tmp_path: Path) -> None:
    """val/ is looked at after each epoch, test/ at the end."""
    data = load_data(str(write_image_folder(tmp_path, ("train", "val", "test"))), input_size=INPUT)
    assert data.held_out is not None
    assert data.test is not None
    only_val = load_data(str(write_image_folder(tmp_path / "b", ("train", "val"))), input_size=INPUT)
    assert only_val.held_out is not None
    assert only_val.test is None


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    """Files whose endings torchvision does not know are no images; the run says how many there are."""
    folder = write_image_folder(tmp_path / "a")
    for part in ("train", "test"):
        (folder / part / "apple" / "0.png").rename(folder / part / "apple" / "0.gif")
    data = load_data(str(folder), input_size=INPUT)
    assert (len(data.train), data.left_out) == (35, {".gif": 2})
    assert "\nskipped: 2 .gif; fieldspec reads .jpg, .jpeg, .png" in summary(
        data, statistics(data.train), data.train, {}
    )


def test_a_large_photograph_is_decoded_smaller(tmp_path: Path) -> None:
    """And looks the same, whichever way it is turned."""
    random = np.random.default_rng(0)
    coarse = Image.fromarray(random.integers(0, 256, (6, 4, 3), dtype=np.uint8))
    large = coarse.resize((1200, 1800), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    large.save(tmp_path / "a.jpg", quality=95, exif=exif)
    large.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "a.png")
    one, other = (open_image(tmp_path / f"a.{kind}", (3, 24, 36)).astype(int) for kind in ("jpg", "png"))
    assert abs(one - other).max() <= 6


def test_broken_image_folders(tmp_path: Path) -> None:
    """Each thing that is missing or odd has its line."""
    with pytest.raises(FieldspecError, match="needs a subfolder for each class"):
        load_data(f"imagefolder:{tmp_path}", input_size=INPUT)
    with pytest.raises(FieldspecError, match="contains no data set; looked for cifar-10-batches-py"):
        load_data(str(tmp_path), input_size=INPUT)
    odd = write_image_folder(tmp_path / "odd")
    (odd / "test" / "cherry").rename(odd / "test" / "plum")
    with pytest.raises(FieldspecError, match="train and test have different classes: cherry, plum"):
        load_data(str(odd), input_size=INPUT)
    broken = write_image_folder(tmp_path / "broken")
    (broken / "train" / "apple" / "3.png").write_bytes(b"no image")
    (broken / "train" / "cherry" / "5.png").write_bytes(b"nor this")
    with pytest.raises(
        FieldspecError, match=r"3\.png: is not an image that Pillow can read\n.*5\.png: is not an image"
    ):
        load_data(str(broken), input_size=INPUT)
    write_image_folder(tmp_path / "mended")
    (tmp_path / "mended" / "train" / "cherry" / "5.png").replace(broken / "train" / "cherry" / "5.png")
    whole = (broken / "train" / "apple" / "4.png").read_bytes()
    (broken / "train" / "apple" / "3.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FieldspecError, match=r"3\.png: "):
        load_data(str(broken), input_size=INPUT)
    empty = write_image_folder(tmp_path / "empty")
    for file in (empty / "train" / "apple").iterdir():
        file.unlink()
    with pytest.raises(FieldspecError, match=r"train: no image in apple; fieldspec reads \.jpg"):
        load_data(str(empty), input_size=INPUT)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("cifar", "--data cifar: unknown data set. Did you mean 'cifar10'"),
        ("imagenet", "--data imagenet: unknown data set. Known: cifar10, cifar100, fake, imagefolder:FOLDER."),
        ("nowhere/data", "--data nowhere/data: no such folder"),
    ],
)
def test_unknown(source: str, words: str) -> None:
    """A word that is no data set, and a folder that is not there."""
    with pytest.raises(FieldspecError, match=words):
        load_data(source, input_size=INPUT)


def test_channels() -> None:
    """Images have one or three."""
    with pytest.raises(FieldspecError, match="images have 1 or 3 channels, but the network's input has 4"):
        load_data("fake", input_size=(4, 32, 32))


def test_fake() -> None:
    """Always the same images, evenly of ten classes, in any size."""
    first, again = fake(), fake()
    assert np.array_equal(first.train.pixels, again.train.pixels)
    assert set(np.bincount(first.train.labels)) == {64}
    small = load_data("fake", input_size=(1, 8, 10))
    assert small.train.pixels.shape == (640, 8, 10, 1)


def test_open_image(tmp_path: Path) -> None:
    """Palettes, transparency and grey become what the network takes."""
    for mode in ("P", "RGBA", "L", "1", "CMYK"):
        ending = "tif" if mode == "CMYK" else "png"
        Image.new(mode, (40, 30)).save(tmp_path / f"{mode}.{ending}")
        assert open_image(tmp_path / f"{mode}.{ending}", (3, 16, 16)).shape == (16, 16, 3)


def test_statistics_by_hand() -> None:
    """Mean, deviation and counts, exact."""
    pixels = np.zeros((2, 1, 2, 3), np.uint8)
    pixels[0, 0, 0] = (255, 51, 0)
    stats = statistics(Images(pixels, np.array([1, 1]), ("a", "b")))
    assert stats.mean == (0.25, 0.05, 0.0)  # 1 / 4, 0.2 / 4
    assert stats.std == pytest.approx((0.433013, 0.086603, 1))  # sqrt(1/4 - 1/16); 1 where nothing varies
    assert stats.per_class == {"a": 0, "b": 2}
    assert stats.mean_color == (64, 13, 0)
    assert (stats.count, stats.shape) == (2, (1, 2, 3))
    with pytest.raises(FieldspecError, match="the training set is empty"):
        statistics(Images(pixels[:0], np.empty(0, np.int64), ("a",)))


def test_hold_out() -> None:
    """A tenth of every class, the same whatever is trained; nothing twice, nothing lost."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 50))
    train, held_out = hold_out(labels)
    assert np.bincount(labels[held_out]).tolist() == [5] * 10
    assert sorted([*train, *held_out]) == list(range(500))
    assert np.array_equal(held_out, hold_out(labels)[1])


def test_unnormalize() -> None:
    """The way back from what the network is given to pixels."""
    mean, std = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    normalized = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2).astype(np.float32)
    assert np.array_equal(unnormalize(normalized, mean, std), pixels)
