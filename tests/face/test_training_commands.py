"""The commands train, evaluate and predict: what they print, their exit status, one line for each thing that fails."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import util
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Run, runner
from training_data import PLAIN, tiny, write_cifar10, write_image_folder

from fieldspec.training.folder.files import read_json
from fieldspec.training.loop.task import Task


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in a folder with a network and a recipe: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(tiny().to_dict()), encoding="utf-8")
    Path("plain.yaml").write_text(yaml.safe_dump({**PLAIN, "name": "plain"}), encoding="utf-8")
    return runner(monkeypatch, capsys)


def test_from_training_to_prediction(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained on official files, judged, asked for a picture, resumed: each from the folder of the run alone."""
    write_cifar10(tmp_path / "cifar", monkeypatch)
    status, out, err = run("train", "tiny.yaml", "--recipe", "plain.yaml", "--data", "cifar", "--epochs", "1")
    assert (status, err) == (0, "")
    assert "epoch 1/1  train " in out
    assert out.endswith("card, log and plots in runs/tiny-plain\n")
    card = read_json(Path("runs/tiny-plain/card.json"))
    assert card["command"] == "fieldspec train tiny.yaml --recipe plain.yaml --data cifar --epochs 1"
    assert (card["epochs"], card["seed"], card["images"], card["full"]) == (1, 0, 180, False)

    status, out, err = run("evaluate", "runs/tiny-plain", "--data", "cifar", "--json", "-o", "judged")
    assert (status, err) == (0, "")
    evaluation = json.loads(out)
    assert evaluation["accuracy"] == card["test_accuracy"]
    assert read_json(Path("judged/evaluation.json"))["confusion"] == evaluation["confusion"]
    assert {"confusion.png", "calibration.png", "misclassified.png"} < {path.name for path in Path("judged").iterdir()}
    held_out = json.loads(run("evaluate", "runs/tiny-plain", "--data", "cifar", "--split", "held-out", "--json")[1])
    assert held_out["accuracy"] == pytest.approx(card["held_out_accuracy"])

    write_image_folder(tmp_path / "photos")
    status, out, err = run("predict", "runs/tiny-plain/best.safetensors", "photos/test/apple/0.png", "--top", "2")
    assert (status, err) == (0, "")
    assert out.startswith("photos/test/apple/0.png: ")
    assert out.count(" %") == 2
    answers = json.loads(run("predict", "runs/tiny-plain", "photos/test/apple", "--json")[1])["predictions"]
    assert len(answers) == 12
    assert set(answers[0]["answers"][0]) == {"class", "probability"}


def test_judging_keeps_freed_memory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On two cores it makes evaluation three times faster."""
    told: list[bool] = []
    monkeypatch.setattr("fieldspec.training.loop.machine.keep_freed_memory", lambda: told.append(True))
    write_image_folder(tmp_path / "fruit")
    assert run("build", "tiny.yaml", "-o", "tiny.safetensors")[0] == 0
    assert run("evaluate", "tiny.safetensors", "--data", "fake")[0] == 0
    assert run("predict", "tiny.safetensors", "fruit/test/apple/0.png")[0] == 0
    assert len(told) == 2


def test_an_image_folder_of_one_s_own(run: Run, tmp_path: Path) -> None:
    """48x48 images of three classes: the head gets three classes, the images the network's size."""
    write_image_folder(tmp_path / "fruit")
    options = ["--recipe", "plain.yaml", "--data", "imagefolder:fruit", "-o", "runs/fruit", "--augment", "device"]
    status, out, err = run("train", "tiny.yaml", *options, "--json")
    assert status == 0, err
    card = json.loads(out)
    assert card["classes"] == ["apple", "banana", "cherry"]
    assert card["hash"] != tiny().hash  # three classes are another network than ten
    assert "fruit: 33 training images, 3 held out, 36 test images; 3x32x32, 3 classes of 11" in err
    assert "\nimages of 48x48 are resized to 32x32\ntiny gets 3 classes, as fruit has, instead of 10\n" in err
    assert run("evaluate", "runs/fruit")[1].startswith("test accuracy ")  # where the images are is known
    assert run("evaluate", "runs/fruit/best.safetensors", "--split", "train")[1].startswith("train accuracy ")
    status, _, err = run("evaluate", "runs/fruit", "--data", "fake")
    assert status == 2
    assert "the network has 3 classes, but fake has 10" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["train", "tiny.yaml", "--recipe", "fast"],
            "error: 'fast' is neither a built-in recipe nor a file. Did you",
        ),
        (["train", "nowhere.yaml"], "error: nowhere.yaml: no such file"),
        (["train", "tiny.yaml", "--data", "cifar9"], "error: --data cifar9: unknown data set. Did you mean 'cifar10'?"),
        (["train", "tiny.yaml", "--data", "fake", "--epochs", "0"], "epochs: needs a whole number from 1 to 100000"),
        (
            ["train", "tiny.yaml", "--data", "fake", "--seeds", "0,1", "--seed", "2"],
            "error: --seeds: trains one seed after",
        ),
        (["train", "tiny.yaml", "--data", "fake", "--seeds", "0,0"], "error: --seeds: needs distinct whole numbers"),
        (["train", "tiny.yaml", "--data", "fake", "--lr", "nan"], "error: lr: needs a finite number, gets nan"),
        (["train", "tiny.yaml", "--data", "fake", "--strategy", "telepathy"], "error: Lightning: "),
        (["evaluate", "c1c2c3c40"], "error: c1c2c3c40: a spec has no weights; give a checkpoint, or use --pretrained"),
        (["evaluate", "tiny.yaml", "--pretrained"], "error: no pretrained weights for tiny; train it with: fieldspec"),
        (["predict", "nothing.safetensors", "a.png"], "error: nothing.safetensors: no such file"),
    ],
)
def test_bad_input(arguments: list[str], message: str, run: Run) -> None:
    """Exit status 2, one line, and nothing is begun."""
    status, out, err = run(*arguments)
    begun = [line for line in out.splitlines() if not line.startswith("tiny with fast25: loading ")]
    assert (status, begun) == (2, [])
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_broken_recipe(run: Run) -> None:
    """Every problem has its line, with its place first, as editors expect it."""
    Path("bad.yaml").write_text("epochs: 1\noptimiser: {sgd: {lr: 0.1}}\nschedule: {constant: ~}\n")
    status, _, err = run("train", "tiny.yaml", "--recipe", "bad.yaml", "--data", "fake")
    assert status == 2
    assert err.splitlines()[0].startswith("bad.yaml:1:1: missing key 'optimizer'")
    assert err.splitlines()[1] == "bad.yaml:2:1: optimiser: unknown key. Did you mean 'optimizer'?"


@pytest.mark.parametrize(
    ("package", "command", "extra"),
    [
        ("albumentations", ["train", "tiny.yaml"], "train"),
        ("lightning", ["train", "tiny.yaml"], "train"),
        ("matplotlib", ["evaluate", "tiny", "-o", "x"], "report"),
    ],
)
def test_missing_extra(package: str, command: list[str], extra: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not installed is named before anything is begun, with the words that install it."""
    find = util.find_spec
    monkeypatch.setattr("fieldspec.cli.shared.find_spec", lambda name: None if name == package else find(name))
    status, out, err = run(*command)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: fieldspec {command[0]}")
    assert err.endswith(f"needs {package}: pip install 'fieldspec[{extra}]'\n")


def test_divergence_is_a_failure(run: Run) -> None:
    """The input was fine and the run was not: exit status 1, one line."""
    wild = {**PLAIN, "name": "wild", "optimizer": {"sgd": {"lr": 1e30}}, "schedule": {"constant": {}}}
    Path("wild.yaml").write_text(yaml.safe_dump(wild))
    status, out, err = run("train", "tiny.yaml", "--recipe", "wild.yaml", "--data", "fake")
    assert out.startswith("tiny with wild: loading fake\n")
    assert status == 1
    assert err.startswith("error: the loss is ")
    assert err.count("\n") == 1


def test_stopped(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C: the shell's own exit status, and a word on how to go on."""
    import signal

    def stop(self: Task, *_: Any) -> None:
        raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Task, "training_step", stop)
    status, _, err = run("train", "tiny.yaml", "--recipe", "plain.yaml", "--data", "fake")
    signal.signal(signal.SIGINT, handler)
    assert status == 130
    assert err.startswith("stopped; rerun with --resume to continue (runs/tiny-plain)")


def test_several_seeds(run: Run) -> None:
    """A folder each, and one table with mean and deviation."""
    status, out, err = run(
        "train", "tiny.yaml", "--recipe", "plain.yaml", "--data", "fake", "--epochs", "1", "--seeds", "0,1",
        "--batch-size", "64", "--lr", "0.05", "--weight-decay", "0.001", "--threads", "1", "-o", "two",
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "held-out accuracy  test accuracy  flip-averaged test accuracy" in out
    assert out.endswith("two/seeds.json\n")
    cards = [read_json(Path("two") / f"seed-{seed}" / "card.json") for seed in (0, 1)]
    assert [card["seed"] for card in cards] == [0, 1]
    assert cards[0]["recipe"]["optimizer"]["sgd"]["lr"] == 0.05
    assert cards[0]["recipe"]["weight_decay"]["rate"] == 0.001
    assert cards[0]["recipe"]["batch_size"] == 64
    assert read_json(Path("two/seeds.json"))["test_accuracy"]["each"] == [card["test_accuracy"] for card in cards]


def test_stopped_in_the_evaluation_at_the_end(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C then has the same status and word, and what is missing is made by the same command with --resume."""
    from fieldspec.training.run import final_evaluation

    def stop(*arguments: Any, **settings: Any) -> None:
        raise KeyboardInterrupt

    command = ("train", "tiny.yaml", "--recipe", "plain.yaml", "--data", "fake", "--epochs", "1")
    with monkeypatch.context() as patched:
        patched.setattr(final_evaluation, "evaluate", stop)
        status, _, err = run(*command)
    assert (status, err) == (130, "stopped; rerun with --resume to continue (runs/tiny-plain)\n")
    assert run(*command, "--resume")[0] == 0
    assert Path("runs/tiny-plain/card.json").exists()


def test_int8(run: Run) -> None:
    """A run goes on with int8 simulated, into a file that says what it says; a spec has nothing to go on from."""
    assert run("train", "tiny.yaml", "--recipe", "plain.yaml", "--data", "fake", "-o", "runs/float")[0] == 0
    status, out, err = run("train", "runs/float", "--quantize", "int8", "--data", "fake", "--epochs", "1")
    assert (status, err) == (0, "")
    assert out.startswith("tiny with int8: loading fake\n")
    assert out.endswith("card, log and plots in runs/tiny-int8\n")
    status, out, err = run("export", "runs/tiny-int8", "--to", "tflite-int8", "--data", "fake", "-o", "net.tflite")
    assert (status, err) == (0, "")
    assert "% of the predictions equal those of the simulation, which has " in out
    status, _, err = run("train", "tiny.yaml", "--quantize", "int8", "--data", "fake")
    assert (status, err.split(": ", 1)[1]) == (
        2,
        "tiny.yaml: a spec has no weights; train it and give its run folder or checkpoint\n",
    )


def test_recipes(run: Run) -> None:
    """All that ship, one of them as it is written, and their schema."""
    names = ["distilled", "fast25", "int8", "long", "seed"]
    assert [line.split()[0] for line in run("recipes")[1].splitlines()] == ["NAME", *names]
    assert run("show", "fast25")[1].count("muon: {lr: 0.01}") == 1
    assert json.loads(run("schema", "--recipe")[1])["title"] == "fieldspec recipe"
    assert [one["name"] for one in json.loads(run("recipes", "--json")[1])] == names


def test_recipes_load_no_torch() -> None:
    """A recipe is checked before anything heavy is imported, and the commands that read stay light."""
    code = (
        "import sys, fieldspec.cli, fieldspec.training.recipe.recipe as r; r.load_recipe('fast25');"
        "print(sorted({'torch', 'lightning', 'albumentations', 'numpy'} & set(sys.modules)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
