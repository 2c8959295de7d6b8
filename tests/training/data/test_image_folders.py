"""Folders of images as people have them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from training_data import colored, write_image_folder

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.data.sources.image_files import open_image

INPUT = (3, 32, 32)
RESIZED = "images of 48x48 are resized to 32x32"


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    """train/ and test/, 36 images each of three classes."""
    return write_image_folder(tmp_path / "fruit")


def loaded(folder: Path) -> Data:
    """By imagefolder:."""
    return load_data(f"imagefolder:{folder}", input_size=INPUT)


def test_hidden_folders_and_files(fruit: Path) -> None:
    """What macOS and Jupyter leave behind is no class and no image."""
    before = loaded(fruit)
    picture = (fruit / "train" / "apple" / "0.png").read_bytes()
    for place in (".ipynb_checkpoints", "apple/.ipynb_checkpoints", "apple/inside/.thumbs"):
        (fruit / "train" / place).mkdir(parents=True)
        (fruit / "train" / place / "0.png").write_bytes(picture)
    (fruit / "train" / "apple" / "._0.png").write_bytes(b"\0\5\x16\7")
    (fruit / "train" / ".DS_Store").write_bytes(b"\0")
    after = loaded(fruit)
    assert (after.train.classes, after.train.digest, after.left_out) == (before.train.classes, before.train.digest, {})


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_other_names_for_val(name: str, tmp_path: Path) -> None:
    """What others call it."""
    folder = write_image_folder(tmp_path, ("train", name))
    data = loaded(folder)
    assert data.held_out is not None
    assert len(data.held_out) == 36
    write_image_folder(tmp_path, ("val",))
    with pytest.raises(FieldspecError, match=f"has both val and {name}; rename one of them"):
        loaded(folder)


def test_links(fruit: Path) -> None:
    """Links are followed, each folder once, and never back to where the walk came from."""
    apple = fruit / "train" / "apple"
    (fruit / "more").mkdir()
    for number, pixels in enumerate(colored([0, 0], 40, 9)):
        Image.fromarray(pixels).save(fruit / "more" / f"m{number}.png")
    for name, target in (("loop", apple), ("up", fruit), ("more", fruit / "more"), ("again", fruit / "more")):
        (apple / name).symlink_to(target, target_is_directory=True)
    (apple / "gone.png").symlink_to(fruit / "nowhere.png")
    counts = np.bincount(loaded(fruit).train.labels).tolist()
    assert counts == [14, 12, 12]


def test_a_pipe(fruit: Path) -> None:
    """Nobody writes to it, so it is not waited for."""
    os.mkfifo(fruit / "train" / "apple" / "pipe.png")
    assert len(loaded(fruit).train) == 36


def test_classes_that_differ_by_case(fruit: Path) -> None:
    """Between parts it is an error that says so; within one it is remarked on."""
    (fruit / "test" / "apple").rename(fruit / "test" / "Apple")
    with pytest.raises(FieldspecError, match=r"different classes: Apple, apple \(they differ in case\)"):
        loaded(fruit)
    (fruit / "train" / "apple").rename(fruit / "train" / "Apple")
    for part in ("train", "test"):
        (fruit / part / "banana").rename(fruit / part / "aPPLE")
    assert "the classes Apple and aPPLE differ only in case" in loaded(fruit).remarks


def test_the_same_image_twice(fruit: Path) -> None:
    """In two classes, or to learn from and to be tested by: both are told with their names."""
    assert loaded(fruit).remarks == (RESIZED,)
    picture = (fruit / "train" / "apple" / "0.png").read_bytes()
    (fruit / "train" / "cherry" / "also.png").write_bytes(picture)
    (fruit / "test" / "apple" / "known.png").write_bytes(picture)
    assert loaded(fruit).remarks == (
        "1 image occurs twice, in two classes: train/apple/0.png and train/cherry/also.png",
        "1 image occurs twice, in two parts of the data: train/apple/0.png and test/apple/known.png",
        RESIZED,
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB with a transparent colour"])
def test_transparent_pixels_are_white(mode: str, tmp_path: Path) -> None:
    """Whatever colour is written under them."""
    path = tmp_path / "a.png"
    if mode == "P":
        palette = Image.new("P", (8, 8), 3)
        palette.putpalette([200, 0, 0] * 8)
        palette.save(path, transparency=3)
    elif mode.startswith("RGB "):
        Image.new("RGB", (8, 8), (9, 8, 7)).save(path, transparency=(9, 8, 7))
    elif mode == "PA":
        Image.new("RGBA", (8, 8), (200, 0, 0, 0)).convert("PA").save(path := tmp_path / "a.tif")
    else:
        Image.new(mode, (8, 8), (200, 0, 0, 0) if mode == "RGBA" else (50, 0)).save(path)
    assert (open_image(path, (3, 8, 8)) == 255).all()
    assert (open_image(path, (1, 8, 8)) == 255).all()


def test_half_transparent(tmp_path: Path) -> None:
    """Half of black over white is grey."""
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "a.png")
    assert set(open_image(tmp_path / "a.png", (3, 8, 8)).ravel().tolist()) == {127}


def test_what_is_not_read_is_named(fruit: Path) -> None:
    """GIF, HEIC and the rest, by extension."""
    for name in ("a.gif", "b.heic", "c.HEIC", "notes.txt", "README"):
        (fruit / "train" / "apple" / name).write_bytes(b"?")
    assert loaded(fruit).left_out == {".gif": 1, ".heic": 2, ".txt": 1, "README": 1}


@pytest.mark.parametrize("move", [True, False])
def test_a_folder_without_a_test_set_is_split(move: bool, tmp_path: Path) -> None:
    """A fifth of each class, always the same images, and it is said."""
    folder = write_image_folder(tmp_path / "alone", ("train",))
    if move:
        for place in list((folder / "train").iterdir()):
            place.rename(folder / place.name)
        (folder / "train").rmdir()
    data, again = loaded(folder), load_data(str(folder), input_size=INPUT)
    assert data.test is not None
    assert again.test is not None
    assert (np.bincount(data.train.labels).tolist(), np.bincount(data.test.labels).tolist()) == ([10] * 3, [2] * 3)
    assert data.test.digest == again.test.digest
    assert not set(data.train.files) & set(data.test.files)
    assert data.remarks[0] == (
        "no test/ folder: 6 of 36 images, a fifth of each class, are kept for the test (drawn with seed 0)"
    )


def as_a_file(folder: Path) -> str:
    """imagefolder: of an image."""
    return f"imagefolder:{folder / 'train' / 'apple' / '0.png'}"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (as_a_file, "0.png: is a file, not a folder"),
        (lambda folder: f"imagefolder:{folder}x", "fruitx: no such folder"),
        (lambda folder: str(folder / "train" / "apple" / "0.png"), "0.png: is a file; give a folder"),
        (lambda folder: f"imagefolder:{folder / 'train' / 'apple'}", "apple: needs a subfolder for each class"),
    ],
)
def test_wrong_places(source: Callable[[Path], str], words: str, fruit: Path) -> None:
    """Each says what it is."""
    with pytest.raises(FieldspecError, match=words):
        load_data(source(fruit), input_size=INPUT)


def test_val_without_train(tmp_path: Path) -> None:
    """A part is missing, not a class named val."""
    with pytest.raises(FieldspecError, match="has test/ but no train/"):
        loaded(write_image_folder(tmp_path, ("test",)))


def test_files_that_cannot_be_read(fruit: Path) -> None:
    """They stop the run with the way out; with skip_bad they are left out and counted."""
    (fruit / "train" / "apple" / "3.png").write_bytes(b"no image")
    with pytest.raises(FieldspecError, match=r"3\.png: is not an image.*\nskip such files with --on-bad skip"):
        loaded(fruit)
    data = load_data(str(fruit), input_size=INPUT, skip_bad=True)
    assert (len(data.train), len(data.train.files)) == (35, 35)
    assert "train/apple/3.png" not in data.train.files
    assert data.remarks[0].startswith("skipped 1 files that cannot be read, the first: ")
    for file in (fruit / "train" / "apple").iterdir():
        file.write_bytes(b"no image")
    with pytest.raises(FieldspecError, match="no readable image of apple in train"):
        load_data(str(fruit), input_size=INPUT, skip_bad=True)


def test_the_place_is_known(fruit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path, by which the data is found from elsewhere; a folder named as a built-in set is that folder."""
    fruit.rename(fruit.parent / "fake")
    monkeypatch.chdir(fruit.parent)
    data = load_data("fake", input_size=INPUT)
    assert data.source == f"imagefolder:{fruit.parent / 'fake'}"
    monkeypatch.chdir("/")
    assert load_data(str(data.source), input_size=INPUT).train.digest == data.train.digest
    assert load_data("fake", input_size=INPUT).source == "fake"


def test_what_is_resized_is_told(fruit: Path) -> None:
    """By its one size, by the number of sizes, or not at all, with photographs as they stand upright."""
    assert RESIZED in loaded(fruit).remarks
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 40)).save(fruit / "train" / "apple" / "turned.png", exif=exif)
    assert "images of 2 other sizes are resized to 32x32" in loaded(fruit).remarks
    for path in fruit.rglob("*.png"):
        Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert "images of 40x30 are resized to 32x32" in loaded(fruit).remarks
    upright = load_data(str(fruit), input_size=(3, 40, 30))
    assert not any("resized" in remark for remark in upright.remarks)


def test_made_up_images_are_resized() -> None:
    """Data in memory says so as well."""
    assert load_data("fake", input_size=(3, 16, 24)).remarks == ("images of 32x32 are resized to 16x24",)
    assert load_data("fake", input_size=INPUT).remarks == ()
