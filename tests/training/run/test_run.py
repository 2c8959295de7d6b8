"""Runs: the loss falls, a killed one goes on to the same tensors, several processes train one network."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from training_data import (
    PLAIN,
    assert_same_tensors,
    fake,
    quick,
    silent,
    stopped_in_the_second_epoch,
    tensors_of,
    tiny,
    write_cifar10,
)

from fieldspec.architectures.network.checkpoint import load_card, load_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.sources.datasets import load_data
from fieldspec.training.loop.assembly import override_dropout
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import DivergedError, Task
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run import information
from fieldspec.training.run.final_evaluation import evaluate_run
from fieldspec.training.run.run import StoppedError
from fieldspec.training.run.training import train


def test_cifar10_from_files_to_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On files in the official format the loss falls, and everything that is promised lies in the folder."""
    data = load_data(str(write_cifar10(tmp_path / "cifar", monkeypatch)), input_size=(3, 32, 32))
    lines: list[str] = []
    folder = tmp_path / "run"
    run = train(tiny(), quick(), data, folder, RunOptions(test_each_epoch=True), tell=lines.append, command="c")
    assert run.history[-1]["train_loss"] < run.history[0]["train_loss"]
    assert run.history[-1]["test_accuracy"] > 0.3  # of ten classes
    card, test = evaluate_run(run, data)
    assert test is not None
    assert card["test_accuracy"] == test.accuracy == pytest.approx(run.history[-1]["test_accuracy"])
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "best.safetensors", "calibration.png", "card.json", "confusion.png", "curves.png", "evaluation.json",
        "last.safetensors", "log.csv", "misclassified.png", "mistakes.csv", "mistakes.json", "run.json",
        "samples.png", "state.safetensors", "tensorboard",
    }  # fmt: skip
    assert all(path.stat().st_size > 5_000 for path in folder.glob("*.png"))
    assert json.loads((folder / "evaluation.json").read_text())["accuracy"] == test.accuracy
    assert lines[0].startswith("cifar10: 180 training images, 20 held out, 40 test images; 3x32x32, 10 classes")
    assert [line.split("  ")[0] for line in lines[2:]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    with (folder / "log.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert {"lr", "train_loss", "train_accuracy", "held_out_accuracy", "test_loss", "seconds"} < set(rows[0])
    assert load_card(folder / "last.safetensors")["classes"][0] == "airplane"
    assert load_checkpoint(folder / "last.safetensors")[0] == tiny()


KILLED = """
import sys
from pathlib import Path
from fieldspec.training.run.epoch_files import EpochFiles
from fieldspec.training.run.training import train
from training_data import fake, quick, tiny

def wait(self, trainer, pl_module, outputs, batch, batch_idx):
    if trainer.current_epoch == 1 and batch_idx == 2:
        print("in the middle", flush=True)
        sys.stdin.read()        # until it is killed

EpochFiles.on_train_batch_end = wait
train(tiny(), quick(), fake(), Path(sys.argv[1]), tell=lambda text: None)
"""


def test_killed_and_resumed(tmp_path: Path) -> None:
    """kill -9 in the middle of the second epoch, then --resume: the tensors of a run that nobody disturbed."""
    support = str(Path(__file__).parents[2] / "support")
    path = os.pathsep.join([support, *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "killed")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as process:
        assert process.stdout is not None
        whole = train(tiny(), quick(), fake(), tmp_path / "whole", tell=silent)  # meanwhile
        assert process.stdout.readline() == "in the middle\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    resumed = train(tiny(), quick(), fake(), tmp_path / "killed", RunOptions(resume=True), tell=silent)
    for name in ("last", "best", "state"):
        assert_same_tensors(tmp_path / "whole" / f"{name}.safetensors", tmp_path / "killed" / f"{name}.safetensors")
    for before, after in zip(whole.history, resumed.history, strict=True):
        assert {**before, "seconds": 0} == {**after, "seconds": 0}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_every_optimizer_goes_on(optimizer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What AdamW and Muon remember is part of the state."""
    recipe = load_recipe({**PLAIN, "optimizer": {optimizer: {"lr": 0.01}}})
    train(tiny(), recipe, fake(), tmp_path / "whole", tell=silent)
    step = Task.training_step

    def stop(self: Task, batch: Any, batch_idx: int) -> torch.Tensor:
        if self.current_epoch == 1:
            raise FieldspecError("in the second epoch")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", stop)
    with pytest.raises(FieldspecError, match="in the second epoch"):
        train(tiny(), recipe, fake(), tmp_path / "stopped", tell=silent)
    monkeypatch.undo()
    train(tiny(), recipe, fake(), tmp_path / "stopped", RunOptions(resume=True), tell=silent)
    assert_same_tensors(tmp_path / "whole" / "state.safetensors", tmp_path / "stopped" / "state.safetensors")


def test_resume_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that goes on on another machine names all that it was computed on, and all versions, on its card."""
    recipe = load_recipe({**PLAIN, "epochs": 2})

    def move(machine: str, **versions: str) -> None:
        monkeypatch.setattr(information, "hardware", lambda *_: machine)
        monkeypatch.setattr(information, "versions", lambda: {"python": "3.11", **versions})

    for machine in ("one", "another", "another"):
        move(machine, torch="2.6.0")
        with pytest.raises(FieldspecError, match="in the second epoch"):
            train(tiny(), recipe, fake(), tmp_path, RunOptions(resume=True), tell=stopped_in_the_second_epoch)
    move("a third", torch="2.14.1", timm="1.0")
    train(tiny(), recipe, fake(), tmp_path, RunOptions(resume=True), tell=silent)
    move("where nothing is left to compute", torch="9")
    card, _ = evaluate_run(train(tiny(), recipe, fake(), tmp_path, RunOptions(resume=True), tell=silent), fake())
    assert card["hardware"] == "one, then another, then a third"
    assert card["versions"] == {"python": "3.11", "torch": "2.6.0, then 2.14.1", "timm": "1.0"}
    assert (card["precision"], card["augment"], card["processes"]) == ("float32", "host", 1)


def test_resume_after_the_end(tmp_path: Path) -> None:
    """A finished run that is resumed trains no further."""
    recipe = load_recipe({**PLAIN, "epochs": 1})
    train(tiny(), recipe, fake(), tmp_path, tell=silent, command="first")
    before = tensors_of(tmp_path / "last.safetensors")
    run = train(tiny(), recipe, fake(), tmp_path, RunOptions(resume=True), tell=silent, command="again")
    assert len(run.history) == 1
    assert run.info["command"] == "first"
    assert all(torch.equal(value, before[name]) for name, value in run.net.state_dict().items())


def test_resume_another_run(tmp_path: Path) -> None:
    """What a run cannot go on with is named, and a run is not overwritten."""
    train(tiny(), load_recipe({**PLAIN, "epochs": 1}), fake(), tmp_path, tell=silent)
    other = load_recipe({**PLAIN, "epochs": 1, "batch_size": 16})
    with pytest.raises(FieldspecError, match="was started with batch_size 32, not 16, so it cannot be resumed"):
        train(tiny(), other, fake(), tmp_path, RunOptions(resume=True), tell=silent)
    wider = tiny(layers=[{"conv": {"out": 4, "stride": 4}}])
    with pytest.raises(FieldspecError, match=r"was started with the spec '[0-9a-f]{12}', not"):
        train(wider, other, fake(), tmp_path, RunOptions(resume=True), tell=silent)
    with pytest.raises(FieldspecError, match="already contains a run; continue it with --resume"):
        train(tiny(), other, fake(), tmp_path, tell=silent)


def test_damaged_state(tmp_path: Path) -> None:
    """A state that was cut off is said to be so, and is left as it is."""
    recipe = load_recipe({**PLAIN, "epochs": 1})
    train(tiny(), recipe, fake(), tmp_path, tell=silent)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(FieldspecError, match=r"state\.safetensors: is not a complete run state"):
        train(tiny(), recipe, fake(), tmp_path, RunOptions(resume=True), tell=silent)


def test_the_loss_is_no_number(tmp_path: Path) -> None:
    """A run that diverges says where, and keeps what it had saved."""
    recipe = load_recipe({**PLAIN, "optimizer": {"sgd": {"lr": 1e30}}, "schedule": {"one_cycle": {"start": 0}}})
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at epoch 1, step \d+; lower the optimizer's lr"):
        train(tiny(), recipe, fake(), tmp_path / "at once", tell=silent)
    late = load_recipe({**PLAIN, "optimizer": {"sgd": {"lr": 1e-3}}, "schedule": {"constant": {}}})
    train(tiny(), late, fake(), tmp_path / "late", tell=silent)
    before = tensors_of(tmp_path / "late" / "state.safetensors")
    assert all(torch.isfinite(value).all() for value in before.values())


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space in the second epoch: one line, and the first epoch's files are whole."""
    write = Path.write_bytes
    recipe = load_recipe(PLAIN)

    def full(path: Path, content: bytes) -> int:
        if path.name.startswith("state.safetensors") and (path.parent / "state.safetensors").exists():
            write(path, content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FieldspecError, match=r"state\.safetensors: cannot be written: No space left on device"):
        train(tiny(), recipe, fake(), tmp_path / "full", tell=silent)
    monkeypatch.undo()
    assert not list((tmp_path / "full").glob("*.part"))
    train(tiny(), recipe, fake(), tmp_path / "full", RunOptions(resume=True), tell=silent)
    train(tiny(), recipe, fake(), tmp_path / "whole", tell=silent)
    assert_same_tensors(tmp_path / "full" / "state.safetensors", tmp_path / "whole" / "state.safetensors")


def test_full_disk_while_tensorboard_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its events are no loss: the run goes on without them, and says so once."""
    lines: list[str] = []

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TensorBoardLogger, "log_metrics", full)
    run = train(tiny(), load_recipe(PLAIN), fake(), tmp_path, tell=lines.append)
    assert len(run.history) == 2
    said = "tensorboard: cannot be written: No space left on device; continuing without it"
    assert [line for line in lines if line.startswith("tensorboard")] == [said]


def test_stopped_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends with a word on how to go on."""
    handler = signal.getsignal(signal.SIGINT)

    def stop(self: Task, *_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "training_step", stop)
    with pytest.raises(StoppedError, match="stopped; rerun with --resume to continue"):
        train(tiny(), load_recipe(PLAIN), fake(), tmp_path, tell=silent)
    signal.signal(signal.SIGINT, handler)  # Lightning lets further Ctrl-C pass unheard


@pytest.mark.parametrize("augment", ["host", "device"])
def test_workers_change_nothing(tmp_path: Path, augment: Any) -> None:
    """Images that are fetched and augmented by another process are the same images."""
    recipe = quick(epochs=1)
    for workers in (0, 1):
        options = RunOptions(workers=workers, augment=augment)
        train(tiny(), recipe, fake(), tmp_path / str(workers), options, tell=silent)
    assert_same_tensors(tmp_path / "0" / "last.safetensors", tmp_path / "1" / "last.safetensors")


def test_workers_go_on_with_the_same_run(tmp_path: Path) -> None:
    """They are given batches before Lightning tells the order which epoch it is."""
    train(tiny(), quick(), fake(), tmp_path / "whole", tell=silent)
    with pytest.raises(FieldspecError, match="in the second epoch"):
        train(tiny(), quick(), fake(), tmp_path / "stopped", tell=stopped_in_the_second_epoch)
    train(tiny(), quick(), fake(), tmp_path / "stopped", RunOptions(resume=True, workers=2), tell=silent)
    for name in ("last", "state"):
        assert_same_tensors(tmp_path / "whole" / f"{name}.safetensors", tmp_path / "stopped" / f"{name}.safetensors")


def test_full(tmp_path: Path) -> None:
    """--full trains on all images, so that there is no best epoch to keep."""
    run = train(tiny(), load_recipe({**PLAIN, "epochs": 1}), fake(), tmp_path, RunOptions(full=True), tell=silent)
    assert run.info["images"] == 640
    assert "held_out_accuracy" not in run.history[0]
    assert not (tmp_path / "best.safetensors").exists()
    own = replace(fake(), held_out=fake().test)
    with pytest.raises(FieldspecError, match="--full: the images in val/ are never trained on"):
        train(tiny(), load_recipe(PLAIN), own, tmp_path / "own", RunOptions(full=True), tell=silent)


def test_dropout_is_an_override(tmp_path: Path) -> None:
    """The recipe's rate reaches every dropout, and the spec with its hash stays what it was."""
    run = train(tiny(), load_recipe({**PLAIN, "epochs": 1, "dropout": 0.7}), fake(), tmp_path, tell=silent)
    rates = [module.p for module in run.net.modules() if isinstance(module, torch.nn.Dropout)]
    assert rates == [0.7, 0.7]
    assert load_checkpoint(tmp_path / "last.safetensors")[0].hash == tiny().hash
    net = torch.nn.Sequential(torch.nn.Dropout2d(0.5), torch.nn.Linear(1, 1))
    override_dropout(net, 0.0)
    assert net[0].p == 0.0


def test_one_channel(tmp_path: Path) -> None:
    """A network for grey images gets grey images."""
    spec = tiny(input=[1, 16, 16])
    data = load_data("fake", input_size=spec.input)
    run = train(spec, load_recipe({**PLAIN, "epochs": 1}), data, tmp_path, tell=silent)
    assert len(run.info["mean"]) == 1


def test_bad_devices(tmp_path: Path) -> None:
    """Lightning's own words for a machine that does not exist, in one line."""
    with pytest.raises(FieldspecError, match="Lightning: "):
        train(tiny(), load_recipe(PLAIN), fake(), tmp_path, RunOptions(accelerator="abacus"), tell=silent)
    with pytest.raises(FieldspecError, match="--strategy ddp_spawn: its processes cannot share their log; use ddp"):
        train(tiny(), load_recipe(PLAIN), fake(), tmp_path, RunOptions(strategy="ddp_spawn", devices="2"), tell=silent)
    assert not list(tmp_path.iterdir())


def test_two_processes(tmp_path: Path) -> None:
    """Two processes on the CPU train one network, each on half of every batch, and end alike."""
    (tmp_path / "tiny.json").write_text(json.dumps({**tiny().to_dict(), "name": "tiny"}))
    (tmp_path / "plain.json").write_text(json.dumps(PLAIN))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = ["--devices", "2", "--strategy", "ddp", "--accelerator", "cpu", "--recipe", "plain.json", "-o", "run"]
    done = subprocess.run(
        [sys.executable, "-m", "fieldspec", "train", "tiny.json", "--data", "fake", *options],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("epoch 2/2") == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text())["processes"] == 2
    card = json.loads((tmp_path / "run" / "card.json").read_text())
    alone = train(tiny(), load_recipe(json.loads((tmp_path / "plain.json").read_text())), fake(), tmp_path / "one",
                  tell=silent)  # fmt: skip
    with (tmp_path / "run" / "log.csv").open() as log:
        losses = [float(row["train_loss"]) for row in csv.DictReader(log)]
    assert losses == pytest.approx([row["train_loss"] for row in alone.history], rel=0.1)  # batch norm sees halves
    assert card["test_accuracy"] > 0.3
