"""Odd data, options and ends of a run: what was meant is done, or one line says why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import MixUp
from training_data import PLAIN, fake, tensors_of, tiny

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.augmentation import Augmentation
from fieldspec.training.data.batches import Shuffled
from fieldspec.training.data.datasets import Data, open_image
from fieldspec.training.data.device_augmentation import DeviceAugmentation
from fieldspec.training.data.images import Images, statistics
from fieldspec.training.evaluation.judging import evaluate_split
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.loop.task import DivergedError, Task
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.recipe.transforms import CoarseDropout, RandomCrop
from fieldspec.training.run.conclusion import evaluate_run
from fieldspec.training.run.options import RunOptions
from fieldspec.training.run.running import Run, train

Train = Callable[..., Run]


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""

    def go(
        data: Data | None = None, *, folder: str = "run", recipe: dict[str, Any] | None = None, **options: Any
    ) -> Run:
        chosen = load_recipe({**PLAIN, **(recipe or {})})
        return train(tiny(), chosen, data or fake(), tmp_path / folder, RunOptions(**options), tell=lambda text: None)

    return go


def relabelled(data: Data, **changes: Any) -> Data:
    """The same with other training images, labels or names."""
    part = data.train
    given = {"pixels": part.pixels, "labels": part.labels, "classes": part.classes, **changes}
    return replace(data, train=Images(**given))


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The next run ends in its second epoch."""
    step = Task.training_step

    def stop(self: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1:
            raise FieldspecError("in the second epoch")
        return step(self, batch, batch_idx)

    return lambda: monkeypatch.setattr(Task, "training_step", stop)


# ---------------------------------------------------------------------------------------- ends of a run


@pytest.mark.parametrize("first", [True, False])
def test_a_look_at_the_test_images_may_begin_or_end(
    first: bool, run: Train, stopped: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--test-each-epoch is given or dropped with --resume: the log has the column, with a gap."""
    stopped()
    with pytest.raises(FieldspecError, match="in the second epoch"):
        run(test_each_epoch=first)
    monkeypatch.undo()
    finished = run(test_each_epoch=not first, resume=True)
    assert ["test_loss" in row for row in finished.history] == [first, not first]
    rows = [line.split(",") for line in (finished.folder / "log.csv").read_text().splitlines()]
    assert [bool(row[rows[0].index("test_loss")]) for row in rows[1:]] == [first, not first]
    card, _ = evaluate_run(finished, fake())
    assert json.loads((finished.folder / "card.json").read_text()) == card


@pytest.mark.parametrize("epoch", [0, 1])
def test_spoiled_weights_are_not_saved(epoch: int, run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """A last step of an epoch that makes a weight infinite ends the run, and the epoch before stays as it was."""

    def spoil(self: Task, *_: Any) -> None:
        if self.current_epoch == epoch and self.trainer.is_last_batch:
            next(self.net.parameters()).data[0] = torch.inf

    monkeypatch.setattr(Task, "on_train_batch_end", spoil)
    with pytest.raises(DivergedError, match=rf"a weight is no finite number after epoch {epoch + 1}; lower the opt"):
        run()
    monkeypatch.undo()
    finished = run(resume=True)
    assert len(finished.history) == 2
    assert all(value.isfinite().all() for value in tensors_of(finished.folder / "state.safetensors").values())


def test_answers_that_are_no_numbers(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights may be finite, and so large that what they give is not."""

    def enlarge(self: Task, *_: Any) -> None:
        for parameter in self.net.parameters():
            parameter.data *= 1e38 if self.trainer.is_last_batch else 1

    monkeypatch.setattr(Task, "on_train_batch_end", enlarge)
    with pytest.raises(DivergedError, match=r"held out loss is (nan|inf) after epoch 1; lower the optimizer's lr"):
        run(recipe={"epochs": 1})
    with pytest.raises(FieldspecError, match="the network's answers are no numbers: their loss is nan"):
        evaluate_run(run(folder="full", recipe={"epochs": 1}, full=True), fake())


def test_other_images_are_another_run(run: Train) -> None:
    """One image that changed its class, under the same names and numbers."""
    run()
    labels = fake().train.labels.copy()
    labels[0] = 1
    with pytest.raises(FieldspecError, match=r"was begun with images of digest '[0-9a-f]{12}', not '[0-9a-f]{12}'"):
        run(relabelled(fake(), labels=labels), resume=True)


@pytest.mark.parametrize(
    "options", [{"accelerator": "cuda"}, {"accelerator": "gpu"}, {"devices": "0"}, {"devices": "two"}], ids=str
)
def test_machines_that_are_not_there(options: dict[str, str], run: Train, tmp_path: Path) -> None:
    """Lightning has several kinds of error for them."""
    if torch.cuda.is_available():
        options = {"devices": options.get("devices", "99")}
    with pytest.raises(FieldspecError, match=r"^Lightning: "):
        run(**options)
    assert not list(tmp_path.iterdir())


def test_what_processes_cannot_share(run: Train, tmp_path: Path) -> None:
    """Said before anything is begun."""
    several = {"accelerator": "cpu", "devices": "3", "strategy": "ddp"}
    with pytest.raises(FieldspecError, match="batch_size 32 is no multiple of 3, the number of processes that share"):
        run(**several)
    few = replace(fake(), held_out=fake().test.select(np.arange(2)))  # type: ignore[union-attr]
    with pytest.raises(FieldspecError, match="2 images are too few for 3 processes"):
        run(few, recipe={"batch_size": 33}, **several)
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------- data


def test_one_class(run: Train, tmp_path: Path) -> None:
    """Nothing to tell apart."""
    one = relabelled(fake(), labels=np.zeros(640, np.int64), classes=("apple",))
    with pytest.raises(FieldspecError, match="fake: has one class, apple; it takes two to tell apart"):
        run(one)
    assert not list(tmp_path.iterdir())


def test_a_channel_that_is_the_same_everywhere(run: Train) -> None:
    """It is divided by 1."""
    pixels = fake().train.pixels.copy()
    pixels[..., 2] = 7
    data = relabelled(fake(), pixels=pixels)
    assert statistics(data.train).std[2] == 1.0
    assert np.isfinite(run(data).history[-1]["train_loss"])


def test_a_last_batch_of_one() -> None:
    """Batch norm cannot normalize one image: it waits for another epoch, where it falls into a whole batch."""
    order = Shuffled(33, 32, seed=0)
    assert [len(numbers) for _, numbers in order] == [32]
    assert len(order) == 1
    assert [len(numbers) for _, numbers in Shuffled(34, 32, seed=0)] == [32, 2]
    assert [len(numbers) for _, numbers in Shuffled(3, 1, seed=0)] == [1, 1, 1]
    assert [len(numbers) for _, numbers in Shuffled(35, 32, seed=0, rank=1, world_size=2)] == [16]


def test_too_few_to_hold_out(tmp_path: Path) -> None:
    """A tenth of four is none, which is said."""
    lines: list[str] = []
    few = replace(fake(), train=fake().train.select(np.arange(40)))
    train(tiny(), load_recipe({**PLAIN, "epochs": 1}), few, tmp_path, tell=lines.append)
    assert "too few images of each class to hold a tenth out; only the last weights are kept" in lines
    assert not (tmp_path / "best.safetensors").exists()


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
    with pytest.raises(FieldspecError, match=r"one\.tif: is of floating point numbers; save it with 8 or 16 bits"):
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


# ------------------------------------------------------------------------------------------------ judging


def test_foreign_classes(run: Train) -> None:
    """As many classes are not the same classes."""
    network = load_trained(str(run().folder))
    test = fake().test
    assert test is not None
    other = Images(test.pixels, test.labels, tuple("abcdefghij"))
    with pytest.raises(FieldspecError, match="trained on other classes: 'pattern 0' is none of fake's classes"):
        evaluate_split(network, replace(fake(), test=other), "test")
    turned = Images(test.pixels, test.labels, test.classes[::-1])
    with pytest.raises(FieldspecError, match="trained on other classes: fake has them in another order"):
        evaluate_split(network, replace(fake(), test=turned), "test")
    evaluate_split(replace(network, card={}), replace(fake(), test=other), "test")  # a checkpoint that knows no names


def test_images_that_were_trained_on(run: Train) -> None:
    """It is said where the evaluate_split is not impartial."""
    for full in (False, True):
        network = load_trained(str(run(folder=f"full {full}", full=full).folder))
        said = {
            split: evaluate_split(network, fake(), split)[1]["trained_on"] for split in ("train", "held-out", "test")
        }
        assert said == {"train": True, "held-out": full, "test": False}


def test_folders_of_one_name(run: Train) -> None:
    """Other images in a folder called alike were not trained on; nor are the same ones news in a renamed folder."""
    own = replace(fake(), name="photos")
    other = replace(relabelled(own, pixels=255 - own.train.pixels), name="photos")
    network = load_trained(str(run(own, full=True).folder))
    assert [network.has_seen(data, "held-out") for data in (own, other)] == [True, False]
    assert network.has_seen(replace(own, name="pictures"), "held-out")


def test_a_run_without_a_state_begins_anew(run: Train, tmp_path: Path) -> None:
    """A recipe that diverged in its first epoch is mended, and the same folder taken again with --resume."""
    with pytest.raises(DivergedError):
        run(recipe={"optimizer": {"sgd": {"lr": 1e30}}})
    with pytest.raises(FieldspecError, match="holds a run already; continue it with --resume"):
        run()
    assert len(run(resume=True).history) == 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["recipe"]["optimizer"]["sgd"]["lr"] == 0.1


def test_the_larger_share_of_two_mixed_images_counts(run: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training accuracy is of the label of which there is more."""
    targets: list[torch.Tensor] = []
    counted: list[torch.Tensor] = []
    mix, measure = MixUp.forward, Task._measure

    def watched(self: Any, *inputs: Any) -> Any:
        mixed = mix(self, *inputs)
        targets.append(mixed[1])
        return mixed

    def watch(self: Task, name: str, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        if name == "train":
            counted.append(labels)
        measure(self, name, loss, logits, labels)

    monkeypatch.setattr(MixUp, "forward", watched)
    monkeypatch.setattr(Task, "_measure", watch)
    run(recipe={"epochs": 1, "mixup": 1.0})
    assert len(counted) == 19
    assert all(torch.equal(target.argmax(1), labels) for target, labels in zip(targets, counted, strict=True))


def test_from_python(tmp_path: Path) -> None:
    """Names, paths and plain data do; what cannot be meant is refused."""
    folder = str(tmp_path / "run")
    run = train(tiny().to_dict(), {**PLAIN, "epochs": 1}, "fake", folder, RunOptions(devices=1))
    assert run.folder == tmp_path / "run"
    with pytest.raises(FieldspecError, match="augment: needs host or device, gets 'gpu'"):
        RunOptions(augment="gpu")  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match="'tets' is no part of a data set; give test, held-out or train"):
        evaluate_split(load_trained(folder), fake(), "tets")
    with pytest.raises(FieldspecError, match="fake: its images are 3x32x32, and tiny takes 3x16x16"):
        train(tiny(input=[3, 16, 16]), PLAIN, fake(), folder)


def test_one_image_a_batch(tmp_path: Path) -> None:
    """Batch norm has nothing to normalize where the map is one unit."""
    norm = tiny(layers=[{"conv": {"out": 8}}, {"squeeze_excite": {}}, {"global_pool": {}}, {"conv": {"out": 8}}])
    recipe = load_recipe({**PLAIN, "batch_size": 1})
    with pytest.raises(FieldspecError, match="batch_size 1: a batch norm of a 1x1 map needs more than one image"):
        train(norm, recipe, fake(), tmp_path / "run", tell=lambda text: None)


def test_a_look_at_test_images_that_are_not_there(run: Train) -> None:
    """It is refused, and not left out in silence."""
    with pytest.raises(FieldspecError, match="--test-each-epoch: fake has no test images"):
        run(replace(fake(), test=None), test_each_epoch=True)
