"""A run is never mixed up with another: files that are missing, foreign or in use."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from training_data import PLAIN, fake, silent, tensors_of, tiny
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import LAST, RUN, STATE, read_json
from fieldspec.training.folder.lock import RunLock
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.loop.task import Task
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.run import StoppedError
from fieldspec.training.run.training import train

ONE: dict[str, Any] = {"epochs": 1}


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        (RUN, "run: has no run.json, so the run in it cannot be resumed; give another --output"),
        (STATE, "run: has last.safetensors but no state.safetensors to resume from; give another --output"),
    ],
)
def test_a_file_is_gone(gone: str, message: str, run: Train) -> None:
    """Nothing is trained anew in silence, and what is left stays as it is; without --resume neither."""
    folder = run(recipe=ONE).folder
    (folder / gone).unlink()
    before = {path: path.read_bytes() for path in folder.glob("*.*")}
    with pytest.raises(FieldspecError, match=message):
        run(recipe=ONE, resume=True)
    with pytest.raises(FieldspecError, match="already contains a run"):
        run(recipe=ONE)
    assert {path: path.read_bytes() for path in folder.glob("*.*")} == before


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"optimizer": {"sgd": {"lr": 0.3}}}, {"batch_size": 16}], ids=["seed", "rate", "batches"]
)
def test_the_state_of_another_run(other: dict[str, Any], run: Train) -> None:
    """Copied into a folder whose run.json says otherwise."""
    folder = run(recipe=ONE).folder
    foreign = run(folder="other", recipe={**ONE, **other}).folder
    shutil.copy(foreign / STATE, folder / STATE)
    with pytest.raises(FieldspecError, match=r"safetensors: belongs to a different run than the run\.json beside it"):
        run(recipe=ONE, resume=True)
    shutil.copy(foreign / RUN, folder / RUN)
    with pytest.raises(FieldspecError, match=r"was started with (seed|sgd|optimizer|batch_size) .*, so it cannot be"):
        run(recipe=ONE, resume=True)


def test_the_state_of_another_network(run: Train, tmp_path: Path) -> None:
    """Its tensors would not fit."""
    folder = run(recipe=ONE).folder
    wider = tiny(layers=[{"conv": {"out": 4, "stride": 4}}])
    train(wider, load_recipe({**PLAIN, **ONE}), fake(), tmp_path / "wider", tell=silent)
    shutil.copy(tmp_path / "wider" / STATE, folder / STATE)
    with pytest.raises(FieldspecError, match="belongs to a different run"):
        run(recipe=ONE, resume=True)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"processes": "two"}, "processes: needs a whole number, 1 or more, gets 'two'"),
        ({"recipe": None}, "recipe: needs a recipe, gets nothing"),
        ({"versions": {"torch": 2}}, "versions"),
        ({"std": [0.0, 1.0, 1.0]}, "std: needs a list of numbers over 0"),
    ],
)
def test_a_run_file_of_wrong_types(changed: dict[str, Any], words: str, run: Train) -> None:
    """Valid JSON that no run has written."""
    folder = run(recipe=ONE).folder
    (folder / RUN).write_text(json.dumps({**read_json(folder / RUN), **changed}))
    with pytest.raises(FieldspecError, match=rf"run\.json: {words}"):
        run(recipe=ONE, resume=True)


def test_a_folder_in_use(run: Train, tmp_path: Path) -> None:
    """A second process is refused before it touches a file."""
    folder = run(recipe=ONE).folder
    (folder / "last.safetensors.1.part").write_bytes(b"half")
    with RunLock(folder) as lock:
        lock.take()
        with pytest.raises(FieldspecError, match="run: another process is writing this run; give another --output"):
            run(recipe=ONE, resume=True)
        assert (folder / "last.safetensors.1.part").exists()
    run(recipe=ONE, resume=True)
    assert not (folder / "last.safetensors.1.part").exists()


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    """The system lets go of its lock."""
    code = (
        "import sys, time; from pathlib import Path; from fieldspec.training.folder.lock import RunLock\n"
        "lock = RunLock(Path(sys.argv[1])); lock.take(); print('taken', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "taken\n"
        with pytest.raises(FieldspecError, match="another process"), RunLock(tmp_path) as lock:
            lock.take()
        other.kill()
        other.wait()
    with RunLock(tmp_path) as lock:
        lock.take()


def test_what_is_resumed_is_said(tmp_path: Path) -> None:
    """After which epoch; that a mistyped folder holds nothing; and that a run is finished already."""
    lines: list[str] = []
    recipe = load_recipe({**PLAIN, **ONE})
    train(tiny(), recipe, fake(), tmp_path / "typo", RunOptions(resume=True), tell=lines.append)
    assert f"nothing to resume in {tmp_path / 'typo'}: starting with epoch 1" in lines
    lines.clear()
    train(tiny(), recipe, fake(), tmp_path / "typo", RunOptions(resume=True), tell=lines.append)
    assert "finished already, after epoch 1: nothing to train; give more --epochs to extend it" in lines
    longer = load_recipe({**PLAIN, "epochs": 2})
    train(tiny(), longer, fake(), tmp_path / "typo", RunOptions(resume=True), tell=lines.append)
    assert "resumed after epoch 1" in lines


def test_more_epochs_after_the_end(run: Train) -> None:
    """A finished run goes on to a later end, which its files say; one that is not finished keeps its length."""
    run(recipe={"epochs": 1})
    longer = run(recipe={"epochs": 3}, resume=True)
    assert [row["epoch"] for row in longer.history] == [1, 2, 3]
    assert (longer.info["recipe"]["epochs"], longer.info["extended_after"]) == (3, [1])
    assert read_json(longer.folder / RUN)["extended_after"] == [1]
    again = run(recipe={"epochs": 3}, resume=True)
    assert again.info["extended_after"] == [1]
    with pytest.raises(FieldspecError, match="was started with epochs 3, not 2, so it cannot be resumed"):
        run(recipe={"epochs": 2}, resume=True)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_by_a_signal(
    number: signal.Signals, status: int, run: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the second epoch: the status that shells know, and the first epoch's files are whole."""
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pytest-xdist's own handlers would hear it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    step = Task.training_step

    def stop(self: Task, batch: Any, batch_idx: int) -> Any:
        if self.current_epoch == 1 and batch_idx == 0:
            signal.raise_signal(number)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Task, "training_step", stop)
    with pytest.raises(StoppedError, match=r"stopped; rerun with --resume to continue") as stopped:
        run(recipe={"epochs": 3})
    for one, handler in handlers.items():
        signal.signal(one, handler)
    assert stopped.value.status == status
    monkeypatch.undo()
    assert all(tensor.isfinite().all() for tensor in tensors_of(tmp_path / "run" / LAST).values())
    assert len(run(recipe={"epochs": 3}, resume=True).history) == 3
