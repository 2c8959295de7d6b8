"""Fuzzed inputs: specs, recipes, constraints, cards, run files, safetensors headers, command lines.

    nice -n 15 python benchmarks/fuzz.py --minutes 20 --state fuzz.json      # continues from the state
    python benchmarks/fuzz.py --show --state fuzz.json                       # only the table
    python benchmarks/fuzz.py --once spec 4711                               # one input again, with its traceback

An input is a function of its kind and number: valid text or bytes, changed in one to six places. A valid outcome is a
result, or a fieldspec error with one line per problem; anything else counts as a traceback. Time is CPU time per input;
memory is the increase of a process's peak over thousands of inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import platform
import random
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"

CHUNK = {"command": 100}  # inputs at once; of all others:
USUAL = 1000
GOAL = 1_000_000
SECOND, MEGABYTES = 1.0, 200
ODD = [
    "",
    "0",
    "-1",
    "1e999",
    "nan",
    ".inf",
    "null",
    "~",
    "true",
    "on",
    "[]",
    "{}",
    "[[",
    "}",
    "$x",
    "&a",
    "*a",
    "!!python/x",
    "9" * 40,
    "9" * 5000,
    "\u0000",
    "\ud7ff",
    "é",
    "'",
    '"',
    ":",
    "- ",
    "\n",
    "\t",
    "#",
    "x" * 300,
    "1/0",
    "> 44",
    "<= 3k",
]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    3,
    2**70,
    0.5,
    -0.0,
    1e308,
    "",
    "x",
    "conv",
    "auto",
    "$p",
    [],
    [1],
    [[]],
    {},
    {"x": 1},
    {"conv": {}},
]
COMMANDS = [
    ["list"],
    ["show", "c1c2c3c40"],
    ["analyze", "tiny.yaml"],
    ["check", "tiny.yaml"],
    ["diff", "tiny.yaml", "tiny.json"],
    ["schema"],
    ["recipes"],
    ["show", "fast25"],
    ["analyze", "tiny.yaml", "--input", "3x32x32", "--json"],
    ["train", "nowhere.yaml", "--epochs", "1"],
    ["train", "tiny.yaml", "--recipe", "nowhere.yaml"],
    ["predict", "nowhere.safetensors", "a.png"],
    ["evaluate", "nowhere.safetensors"],
]
WORDS = [
    "--json",
    "--all",
    "--csv",
    "--markdown",
    "--canonical",
    "--input",
    "--format",
    "--recipe",
    "--epochs",
    "--seed",
    "--lr",
    "--data",
    "--split",
    "-o",
    "-h",
    "--",
    "-",
    "-1",
    "0",
    "1x2",
    "3x0x0",
    "yaml",
    "tiny.yaml",
    "c1c2c3c4",
    "",
    "é",
    "\u200b",
    "x" * 5000,
    "timm:",
    "a:b",
    "/",
    ".",
    "--top",
    "--ledger",
    "--tile",
    "99999999999",
]


@dataclass
class Tally:
    """The results for the inputs of a kind."""

    inputs: int = 0
    answers: int = 0
    refusals: int = 0
    tracebacks: int = 0
    slowest_s: float = 0.0
    most_mb: float = 0.0
    found: list[str] = field(default_factory=list)  # number and last line, of the first tracebacks and slow ones


def changed_text(text: str, draw: random.Random) -> str:
    """Remove, duplicate, replace and insert pieces of a text."""
    for _ in range(draw.randint(1, 6)):
        start = draw.randrange(len(text) + 1)
        end = min(len(text), start + draw.choice((0, 1, 1, 2, 5, 20)))
        piece = draw.choice(("", text[start:end] * 2, draw.choice(ODD), chr(draw.randrange(1, 0x250))))
        text = text[:start] + piece + text[end:]
    return text


def changed_bytes(content: bytes, draw: random.Random) -> bytes:
    """Flip bits, remove and insert bytes, mostly in the header."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 6)):
        if not changed:
            break
        at = draw.randrange(len(changed)) if draw.random() < 0.3 else draw.randrange(min(len(changed), 4000))
        match draw.randrange(4):
            case 0:
                changed[at] ^= 1 << draw.randrange(8)
            case 1:
                del changed[at : at + draw.randint(1, 9)]
            case 2:
                changed[at:at] = draw.choice(ODD).encode("utf-8", "replace")
            case _:
                changed = changed[: max(1, at)] if draw.random() < 0.2 else changed
                changed[-1] ^= 255
    return bytes(changed)


def changed_data(value: Any, draw: random.Random) -> Any:
    """Replace, remove or rename a node of a JSON tree."""
    if not isinstance(value, dict | list) or not value or draw.random() < 0.15:
        return draw.choice(VALUES)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    key = draw.choice(list(copy)) if isinstance(copy, dict) else draw.randrange(len(copy))
    if draw.random() < 0.15:
        del copy[key]
    elif isinstance(copy, dict) and draw.random() < 0.1:
        copy[draw.choice(("x", "", "conv", str(key)[:-1]))] = copy.pop(key)
    else:
        copy[key] = changed_data(copy[key], draw)
    return copy


class Targets:
    """The functions under test, created once per process."""

    def __init__(self, place: Path) -> None:
        from fieldspec.architectures.network.builder import build
        from fieldspec.architectures.network.checkpoint import save_checkpoint
        from fieldspec.architectures.spec import catalogue
        from fieldspec.architectures.spec.spec import load
        from fieldspec.training.folder.state import SafeState
        from fieldspec.training.recipe.recipe import load_recipe, recipe_names, recipe_path

        self.place = place
        self.specs = [catalogue.path(name).read_text(encoding="utf-8") for name in catalogue.list_models()]
        self.documents = [load(name).to_dict() for name in catalogue.list_models()[:12]]
        self.recipes = [recipe_path(name).read_text(encoding="utf-8") for name in recipe_names()]
        tiny = {"name": "tiny", "input": [3, 16, 16], "layers": [{"conv": {"out": 4}}], "head": {"classes": 3}}
        (place / "tiny.yaml").write_text(json.dumps(tiny))
        (place / "tiny.json").write_text(json.dumps(tiny))
        self.tiny = tiny
        self.weights_card: dict[str, Any] = {
            "classes": ["a", "b", "c"],
            "mean": [0.5] * 3,
            "std": [0.2] * 3,
            "data": "d",
            "digest": "0",
            "full": False,
            "recipe": load_recipe("fast25").to_dict(),
            "seed": 0,
        }
        self.record = {
            **self.weights_card,
            "schema": 1,
            "name": "tiny",
            "hash": "0",
            "spec": tiny,
            "data_source": None,
            "images": 9,
            "augment": "host",
            "initial_checkpoint": None,
            "teacher": None,
            "teacher_digest": None,
            "processes": 1,
            "extended_after": [],
            "precision": "float32",
            "command": "c",
            "hardware": "h",
            "versions": {"torch": "2"},
            "date": "2026-11-29",
        }
        save_checkpoint(place / "weights", build(tiny), card=self.weights_card)
        self.weights = (place / "weights").read_bytes()
        state = {
            "epoch": 1,
            "callbacks": {"EpochFiles": {"run": "0", "history": [], "best": 0.0}},
            "w": build(tiny).state_dict(),
        }
        SafeState().save_checkpoint(state, place / "state")
        self.state = (place / "state").read_bytes()

    def spec(self, draw: random.Random) -> Callable[[], Any]:
        """A spec: edited YAML or an edited tree."""
        from fieldspec.architectures.readings.reports import analyze
        from fieldspec.architectures.spec.spec import load, loads

        if draw.random() < 0.5:
            text = changed_text(draw.choice(self.specs), draw)
            return lambda: analyze(loads(text))
        data = changed_data(draw.choice(self.documents), draw)
        return lambda: analyze(load(data) if isinstance(data, dict) else loads(json.dumps(data)))

    def recipe(self, draw: random.Random) -> Callable[[], Any]:
        """A recipe: edited YAML."""
        from fieldspec.training.recipe.recipe import loads_recipe

        text = changed_text(draw.choice(self.recipes), draw)
        return lambda: loads_recipe(text)

    def constraints(self, draw: random.Random) -> Callable[[], Any]:
        """Constraints of a small spec."""
        import fieldspec as fs

        words = [
            "receptive_field",
            "params",
            "macs",
            "memory",
            "weight_bytes",
            "feature_size",
            "uses",
            "forbids",
            "flash",
            "sram",
        ]
        limits = ["> 44", "< 200k", "= 3", "<= 1.5M", ">= 2Ki", ["dilated"], ["max_pool", "x"], 5, {"tflm": "< 64Ki"}]
        given = {}
        for _ in range(draw.randint(1, 3)):
            limit: Any = draw.choice(limits)
            ways = (limit, limit, changed_data(limit, draw), changed_text(str(limit), draw))
            given[draw.choice(words)] = draw.choice(ways)
        return lambda: fs.check(fs.load({**self.tiny, "constraints": given}))

    def card(self, draw: random.Random) -> Callable[[], Any]:
        """The card in a weights file."""
        from fieldspec.training.folder.documents import WeightsCard, checked

        data = changed_data(self.weights_card, draw)
        return lambda: checked(WeightsCard, data, Path("weights"))

    def run_file(self, draw: random.Random) -> Callable[[], Any]:
        """run.json, with its tree or text changed."""
        from fieldspec.training.folder.run_record import fingerprint, read_record

        text = json.dumps(changed_data(self.record, draw))
        (self.place / "run.json").write_text(
            changed_text(text, draw) if draw.random() < 0.5 else text, errors="replace"
        )
        return lambda: fingerprint(read_record(self.place))

    def safetensors(self, draw: random.Random) -> Callable[[], Any]:
        """Weights and states, as bytes."""
        from fieldspec.training.evaluation.trained_networks import load_trained
        from fieldspec.training.folder.state import read_state

        path = self.place / "changed.safetensors"
        if draw.random() < 0.5:
            path.write_bytes(changed_bytes(self.weights, draw))
            return lambda: load_trained(str(path))
        path.write_bytes(changed_bytes(self.state, draw))
        return lambda: read_state(path)

    def command(self, draw: random.Random) -> Callable[[], Any]:
        """A command line with inserted, removed and moved words."""
        words = list(draw.choice(COMMANDS))
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(words) + 1)
            words[at : at + draw.randint(0, 1)] = [draw.choice(WORDS)]
        return lambda: run_command(words)


class Refused(Exception):  # noqa: N818  # not an error: the expected end of bad input
    """Exit status 1 or 2."""


def run_command(words: list[str]) -> None:
    """Run a command as from a shell, discarding its output."""
    from fieldspec.cli import main

    before, sys.argv = sys.argv, ["fieldspec", *words]
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            main()
    except SystemExit as ended:
        if ended.code not in (0, None, 1, 2):
            raise RuntimeError(f"exit status {ended.code}") from None
        if "Traceback" in said.getvalue():
            raise RuntimeError(said.getvalue()) from None
        if ended.code:
            raise Refused from None
    finally:
        sys.argv = before


KINDS = ("spec", "recipe", "constraints", "card", "run_file", "safetensors", "command")
_made: list[Targets] = []


def targets() -> Targets:
    """Peak memory of this process."""
    if not _made:
        place = Path(tempfile.mkdtemp(prefix="fuzz"))
        sys.stdin = open(os.devnull)  # noqa: SIM115  # what "-" reads
        os.chdir(place)
        _made.append(Targets(place))
    return _made[0]


def tried(kind: str, start: int, count: int) -> Tally:
    """Run some inputs of a kind in this process."""
    from fieldspec.blocks.errors import FieldspecError

    given, tally = targets(), Tally()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(start, start + count):
        work = getattr(given, kind)(random.Random(f"{kind} {number}"))
        clock = time.process_time()
        try:
            work()
            tally.answers += 1
        except (FieldspecError, Refused):
            tally.refusals += 1
        except Exception as error:  # the bugs to find
            tally.tracebacks += 1
            tally.found.append(f"{kind} {number}: {type(error).__name__}: {str(error)[:100]}")
        took = time.process_time() - clock
        tally.slowest_s = max(tally.slowest_s, took)
        if took > SECOND:
            tally.found.append(f"{kind} {number}: {took:.1f} s")
    tally.inputs = count
    tally.most_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return tally


def added(one: Tally, other: Tally) -> Tally:
    """Both together."""
    sums = {key: getattr(one, key) + getattr(other, key) for key in ("inputs", "answers", "refusals", "tracebacks")}
    most = {key: max(getattr(one, key), getattr(other, key)) for key in ("slowest_s", "most_mb")}
    return Tally(**sums, **most, found=[*one.found, *other.found][:20])


def table(state: dict[str, Tally]) -> str:
    """Format one row per kind."""
    lines = [f"{'kind':<12}{'inputs':>9}{'answers':>9}{'refused':>9}{'tracebacks':>12}{'slowest':>10}{'most':>9}"]
    for kind, one in state.items():
        numbers = f"{one.inputs:>9,}{one.answers:>9,}{one.refusals:>9,}{one.tracebacks:>12,}"
        lines.append(f"{kind:<12}{numbers}{one.slowest_s:>8.2f} s{one.most_mb:>6.0f} MB")
    total = sum(one.inputs for one in state.values())
    lines.append(f"\n{total:,} of {GOAL:,} inputs; over {SECOND:g} s, over {MEGABYTES} MB or with a traceback:")
    found = [line for one in state.values() for line in one.found]
    found += [f"{kind}: {one.most_mb:.0f} MB in one go" for kind, one in state.items() if one.most_mb > MEGABYTES]
    return "\n".join([*lines, *(found or ["none"])])


def main() -> None:
    """Continue for some minutes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--state", type=Path, default=Path("fuzz.json"))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--once", nargs=2, metavar=("KIND", "NUMBER"))
    arguments = parser.parse_args()
    if arguments.once:
        try:
            getattr(targets(), arguments.once[0])(random.Random(" ".join(arguments.once)))()
        except Exception:
            traceback.print_exc()
        return
    path = arguments.state.absolute()
    known = json.loads(path.read_text()) if path.exists() else {}
    state = {kind: Tally(**known.get(kind, {})) for kind in KINDS}
    until = time.monotonic() + (0 if arguments.show else 60 * arguments.minutes)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=len(KINDS)) as alone:
        while time.monotonic() < until:
            for kind in arguments.kinds:
                count = CHUNK.get(kind, USUAL)
                done = alone.submit(tried, kind, state[kind].inputs, count).result()
                state[kind] = added(state[kind], done)
                path.write_text(json.dumps({kind: asdict(one) for kind, one in state.items()}, indent=1))
    print(f"{datetime.now(UTC).date()}, {platform.machine()}, Python {platform.python_version()}\n\n{table(state)}")


if __name__ == "__main__":
    main()
