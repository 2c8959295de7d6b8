"""What the machine can do decides how is computed, and is written down."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from training_data import PLAIN, fake, tiny

from fieldspec.training.folder.files import read_json
from fieldspec.training.loop.machine import hardware, has_bfloat16, keep_freed_memory, versions
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.epoch_files import duration, epoch_line
from fieldspec.training.run.training import train


@pytest.mark.parametrize(
    ("able", "expected"),
    [({"avx2": True, "avx512_bf16": False}, False), ({"avx512_bf16": True}, True), ({"amx_tile": True}, True)],
)
def test_bfloat16_in_hardware(able: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the processor has it: elsewhere it is emulated, and seven times slower than float32."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert has_bfloat16("cpu") is expected
    assert has_bfloat16("mps") is False


@pytest.mark.parametrize(
    ("precision", "able", "computed"),
    [
        ("auto", False, "float32"),
        ("auto", True, "bfloat16"),
        ("float32", True, "float32"),
        ("bfloat16", False, "bfloat16"),
    ],
)
def test_precision(precision: str, able: bool, computed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` asks the machine; a recipe or the command line may insist. Weights are float32 in any case."""
    monkeypatch.setattr("fieldspec.training.loop.trainer.has_bfloat16", lambda accelerator: able)
    recipe = load_recipe({**PLAIN, "epochs": 1, "precision": precision})
    run = train(tiny(), recipe, fake(), tmp_path, RunOptions(full=True), tell=lambda text: None)
    assert read_json(tmp_path / "run.json")["precision"] == computed
    assert {tensor.dtype for tensor in run.net.parameters()} == {torch.float32}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept() -> None:
    """The 16,384 pages of a tensor of 64 MB are asked for once, and not again for each of the next ones."""
    script = """if True:
        import resource
        import torch
        from fieldspec.training.loop.machine import keep_freed_memory

        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(20):
                torch.zeros(2**24).add_(1)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        print(faults(), keep_freed_memory(), faults(), faults())
    """
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    before, told, _, after = printed.split()
    assert told == "True"
    assert int(before) > 20 * 16_000
    assert int(after) < 16_000  # small blocks settle in the holes during the first rounds


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS, Windows and musl have no such switch, or need none."""
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()


def test_what_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processor, threads and versions."""
    for threads, said in ((1, "1 thread"), (2, "2 threads")):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        assert hardware(torch.device("cpu")).endswith(f", {said}")
    assert versions()["torch"] == torch.__version__.split("+")[0]
    assert {"python", "lightning", "albumentations"} <= set(versions())


def test_the_bar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Loss, accuracy, rate and time left while it runs, and a line of its own for each epoch."""
    recipe = load_recipe({**PLAIN, "epochs": 1})
    train(tiny(), recipe, fake(), tmp_path, RunOptions(progress=True), tell=lambda text: None)
    printed = capsys.readouterr()
    assert "epoch 1/1  train " in printed.out
    bar = printed.out + printed.err
    for word in ("epoch 1/1: 100%|", "it/s", "loss=", "accuracy="):
        assert word in bar
    assert "v_num" not in bar


def test_epoch_line() -> None:
    """Every set that was looked at, the time left from the last epochs."""
    row = {"epoch": 1, "lr": 0.05, "seconds": 30.0}
    row |= {f"{name}_loss": 0.5 for name in ("train", "held_out", "test")}
    row |= {f"{name}_accuracy": 0.9 for name in ("train", "held_out", "test")}
    line = epoch_line([row], 11)
    assert line == (
        "epoch  1/11  train 0.500 90.00 %  held out 0.500 90.00 %  test 0.500 90.00 %  lr 0.05  30 s  left 5 min"
    )
    assert [duration(seconds) for seconds in (0, 99, 101, 7000, 36_000)] == [
        "0 s",
        "99 s",
        "2 min",
        "1 h 57 min",
        "10 h 0 min",
    ]
