"""`fieldspec bench`: networks on engines, JSON, constraints, what is refused; profiles. No test judges a time."""

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from fieldspec.analysis.latency.conditions import DTYPES, ENGINES, Conditions
from fieldspec.analysis.latency.profile import load_profile
from fieldspec.analysis.latency.samples import sampled_operators
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import app
from fieldspec.cli.running.benching import DtypeChoice, EngineChoice
from fieldspec.export.speed import runners
from fieldspec.export.speed.benchmark import BenchSubject, bench, subject_of
from fieldspec.export.speed.profiling import in_turn, profile_machine
from fieldspec.export.speed.table import text

TINY = """
name: tiny
input: [3, 8, 8]
layers: [{conv: {out: 4}}]
head: {classes: 2}
"""


class Ticking:
    """A clock that moves on by one millisecond at every look."""

    def __init__(self) -> None:
        self._times: Iterator[int] = count(0, 1_000_000)

    def __call__(self) -> int:
        """The time, in nanoseconds."""
        return next(self._times)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A spec in a file."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


def run(*arguments: object) -> tuple[int, str, object]:
    """A command's status, what it prints, and the error that ended it."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return result.exit_code, result.stdout, result.exception


def test_every_engine_runs_a_network(tiny: Path) -> None:
    """Under each of the conditions once, in the order that was asked for."""
    ways = [Conditions(engine, batch=batch) for engine in ("eager", "onnxruntime") for batch in (1, 3)]
    report = bench(subject_of(load(tiny)), ways, seconds=0.0, clock=Ticking())
    assert [row.conditions for row in report.rows] == ways
    assert [len(row.timing.calls_ms) for row in report.rows] == [10] * 4
    assert report.rows[0].timing.calls_ms == (1.0,) * 10  # from one look at the clock to the next
    assert [row.images_per_second for row in report.rows] == [1000, 3000] * 2


def test_a_compiled_network_is_what_runs(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.compile makes of a network is timed, not the network."""
    compiled: list[torch.nn.Module] = []
    calls: list[int] = []

    def pretend(net: torch.nn.Module) -> torch.nn.Module:
        compiled.append(net)
        net.register_forward_hook(lambda *_: calls.append(1))
        return net

    monkeypatch.setattr(torch, "compile", pretend)
    bench(subject_of(load(tiny)), [Conditions("compiled")], seconds=0.0, clock=Ticking())
    assert len(compiled) == 1
    assert len(calls) >= 14  # the first, three to warm up, ten


def test_dtypes_and_threads(tiny: Path) -> None:
    """The network computes in what was asked for; the number of threads is as before."""
    before = torch.get_num_threads()
    seen: list[tuple[torch.dtype, int]] = []

    class Watching(torch.nn.Module):
        """Remembers what it is given."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """The same."""
            seen.append((x.dtype, torch.get_num_threads()))
            return x

    ways = [Conditions(dtype="bfloat16", threads=2), Conditions(dtype="float32", threads=1)]
    bench(BenchSubject("watching", Watching, (3, 4, 4)), ways, seconds=0.0, clock=Ticking())
    assert set(seen) == {(torch.bfloat16, 2), (torch.float32, 1)}
    assert torch.get_num_threads() == before


def test_a_network_that_does_not_run_is_said_so() -> None:
    """With the conditions, and in the words of what failed."""

    class Broken(torch.nn.Module):
        """Cannot run."""

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Nothing."""
            raise RuntimeError("no kernel for this")

    with pytest.raises(FieldspecError, match=r"does not run \(eager, cpu, float32, batch 1, 1 thread\): no kernel"):
        bench(BenchSubject("broken", Broken, (3, 4, 4)), [Conditions()], seconds=0.0)


def test_what_is_not_there(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is not installed, a device that is not there, a dtype that an engine does not have."""
    subject = subject_of(load(tiny))
    with pytest.raises(FieldspecError, match=r"--device toaster: "):
        bench(subject, [Conditions(device="toaster")])
    with pytest.raises(FieldspecError, match=r"onnxruntime is timed on cpu in float32, not on cpu in float16"):
        bench(subject, [Conditions(), Conditions("onnxruntime", dtype="float16")])
    monkeypatch.setattr(runners, "find_spec", lambda name: None)
    with pytest.raises(FieldspecError, match=r"needs onnx: pip install 'fieldspec\[export\]'"):
        bench(subject, [Conditions("onnxruntime")])


def test_the_command_prints_json(tiny: Path) -> None:
    """Conditions, times and machine of each row; a spec without a promise of latency has no verdict."""
    status, printed, _ = run("bench", tiny, "--batch", 1, "--batch", 2, "--seconds", 0, "--json")
    data = json.loads(printed)
    assert (status, data["schema"], data["name"], data["input"]) == (0, 1, "tiny", [3, 8, 8])
    assert data.keys() == {"schema", "name", "input", "machine", "versions", "rows"}
    assert [row["batch"] for row in data["rows"]] == [1, 2]
    for row in data["rows"]:
        assert row.keys() == {
            "engine", "device", "dtype", "batch", "threads", "clock", "median_ms", "min_ms", "p10_ms", "p90_ms",
            "p99_ms", "images_per_second", "calls", "busy",
        }  # fmt: skip
        assert 0 < row["min_ms"] <= row["p10_ms"] <= row["median_ms"] <= row["p90_ms"] <= row["p99_ms"]


def test_a_constraint_is_held_against_the_measurement(tiny: Path) -> None:
    """Of batch 1 only; exit status 1 where it is broken."""
    tiny.write_text(TINY + 'constraints: {latency_ms: "< 1000000"}\n', encoding="utf-8")
    status, printed, _ = run("bench", tiny, "--batch", 1, "--batch", 2, "--seconds", 0)
    assert status == 0
    assert printed.count("holds   latency_ms: needs < 1,000,000, has ") == 1
    tiny.write_text(TINY + 'constraints: {latency_ms: "< 0.000001"}\n', encoding="utf-8")
    status, printed, _ = run("bench", tiny, "--seconds", 0, "--json")
    assert status == 1
    assert json.loads(printed)["constraints"][0]["holds"] is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["bench"], "bench needs a SPEC, or --fit FILE"),
        (["bench", "no_such_network"], "no_such_network"),
        (["bench", "timm:no_such_network"], "timm has no model"),
        (["bench", "torchvision:resnet18", "--set", "depth=3"], "--set is for a spec"),
        (["bench", "lenet5", "--cpu-time", "--threads", "2"], "--cpu-time needs one thread"),
        (["bench", "lenet5", "--fit", "laptop.json"], "remove SPEC"),
        (["bench", "--fit", "laptop.json", "--engine", "compiled"], "compiled fuses operators"),
        (["check", "lenet5", "--profile", "no_such_file.json"], "no_such_file.json"),
    ],
)
def test_what_cannot_be_timed(arguments: list[str], says: str) -> None:
    """Said before anything is timed."""
    status, _, error = run(*arguments)
    assert status != 0
    assert says in str(error)


def test_the_table_says_that_the_machine_was_busy(tiny: Path) -> None:
    """Where the wall's clock went on while this process did not compute."""
    report = bench(subject_of(load(tiny)), [Conditions()], seconds=0.0, clock=Ticking())
    assert report.rows[0].is_disturbed  # ten milliseconds by this clock, of which it computed a fraction
    assert "The machine was busy" in text(report)
    calm = bench(subject_of(load(tiny)), [Conditions(clock="cpu")], seconds=0.0, clock=Ticking())
    assert "The machine was busy" not in text(calm)


def test_a_profile_of_this_machine(tmp_path: Path) -> None:
    """Every operator is run; the file is one that predicts."""
    operators = sampled_operators(share=0.01)
    profile = profile_machine(operators, Conditions(), seconds=0.0, name="here.json")
    assert {one.operator for one in profile.measured} == set(operators)
    profile.save(tmp_path / "here.json")
    assert (load_profile(tmp_path / "here.json").latency_ms(load("c1c2c3c40").graph) or 0) > 0


def test_operators_run_in_turn() -> None:
    """Each once a round; one whose seconds are over is left out, and its time is a low percentile of its calls."""
    now = [0]
    order: list[str] = []

    def call(name: str, takes: int) -> None:
        now[0] += takes
        order.append(name)

    slow, quick = 30_000_000, 1_000_000
    calls = [lambda: call("slow", slow), lambda: call("quick", quick)]
    found = in_turn(calls, [[torch.ones(2)], [torch.ones(2)]], 0.1, lambda: now[0])
    assert found == [slow, quick]
    assert order[:4] == ["slow", "quick"] * 2
    assert (order.count("slow"), order.count("quick")) == (5, 25)


def test_the_words_of_the_command_are_those_of_the_conditions() -> None:
    """Engines and dtypes."""
    assert tuple(one.value for one in EngineChoice) == ENGINES
    assert tuple(one.value for one in DtypeChoice) == DTYPES
