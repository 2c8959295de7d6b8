"""The commands: what they print, their exit status, and that bad input never shows a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Run, runner

from fieldspec import __version__
from fieldspec.architectures.network.pretrained import weights
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.architectures.spec.writer import dump

COMMANDS = [
    "list",
    "show",
    "analyze",
    "check",
    "diff",
    "draw",
    "report",
    "schema",
    "build",
    "verify",
    "search",
    "fit",
    "recipes",
    "train",
    "export",
    "bench",
    "evaluate",
    "predict",
]
SMALL = "input: [3, 32, 32]\nlayers: [{conv: {out: 8}}]\nhead: {classes: 2}\n"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command in an empty folder: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    return runner(monkeypatch, capsys)


def written(text: str, name: str = "net.yaml") -> str:
    """A file in the current folder."""
    Path(name).write_text(text, encoding="utf-8")
    return name


# ------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str, run: Run, golden: Callable[[str, str], None]) -> None:
    """Each command's help, with examples, as it was."""
    status, out, err = run(*command.split(), "--help")
    assert (status, err) == (0, "")
    golden(f"help_{command or 'fieldspec'}.txt", out)
    assert f"fieldspec {command}" in out
    assert run(*command.split(), "-h")[1] == out


def test_every_command_has_help(run: Run) -> None:
    """The list above is complete, and no summary is cut short."""
    out = run("--help")[1]
    listed = out.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert not any(line.endswith("...") for line in listed)


def test_version(run: Run) -> None:
    """`--version` prints it alone."""
    assert run("--version") == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "Usage: fieldspec"),
        (["foo"], "No such command 'foo'"),
        (["analyze"], "Missing argument 'SPEC'"),
        (["check", "a", "b"], "unexpected extra argument"),
        (["analyze", "c1c2c3c40", "--jsno"], "No such option: --jsno"),
        (["show", "c1c2c3c40", "--format", "xml"], "'xml' is not one of 'yaml', 'json'"),
    ],
)
def test_usage(arguments: list[str], error: str, run: Run) -> None:
    """A command that cannot be understood ends with status 2 and says why."""
    status, out, err = run(*arguments)
    assert status == 2
    assert error in out + err
    assert "Traceback" not in out + err


# ------------------------------------------------------------------------------------------- the commands


def test_list(run: Run) -> None:
    """Every catalogue name with its field, counts, how good the weights are that ship, or a family's parameters."""
    status, out, err = run("list")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["NAME", "INPUT", "FIELD", "PARAMS", "MACS", "WEIGHTS", "OR", "--set"]
    assert [line.split()[0] for line in lines[1:]] == catalogue.list_models()
    shipped = weights()[load("c1c2c3c40").hash]
    said = [{"name": one.name} | {key: one.card[key] for key in ("data", "epochs", "test_accuracy")} for one in shipped]
    assert [one["name"] for one in said] == ["c1c2c3c40.fast25", "c1c2c3c40.seed"]
    trained = ", ".join(f"{100 * one.card['test_accuracy']:.2f} % {one.tag}" for one in shipped).split()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["c1c2c3c40"] == ["3x32x32", "47", "178,178", "21,766,440", *trained]
    assert rows["c1c2c3c40_wide"][-1] == "-"
    assert rows["densenet_bc"][-2:] == ["depth=40,", "growth=12"]
    data = {row["name"]: row for row in json.loads(run("list", "--json")[1])}
    assert list(data) == catalogue.list_models()
    assert data["c1c2c3c40"]["receptive_field"] == [47, 47]
    assert (data["c1c2c3c40"]["weights"], data["c1c2c3c40"]["family"]) == (said, {})
    assert (data["densenet_bc"]["weights"], data["densenet_bc"]["family"]) == ([], {"depth": 40, "growth": 12})


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("analyze resnet2", ["resnet20"]),
        ("diff resnet18 mobilenet_v3_", ["mobilenet_v3_large", "mobilenet_v3_small"]),
        ("list ds", ["ds_cnn"]),
        ("train wr", ["wrn"]),
        ("check resnet20 --set de", ["depth="]),
        ("check my.yaml --set de", []),
        ("check nothing", []),
        ("ver", ["verify"]),
    ],
)
def test_completion(words: str, offered: list[str], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tab key completes commands, networks of the catalogue and the parameters of a family."""
    monkeypatch.setenv("_FIELDSPEC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"fieldspec {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    status, out, _ = run()
    assert (status, out.split()) == (0, offered)


def test_list_of_families(run: Run) -> None:
    """`--family` leaves out what has no parameters; where nothing is left, it says so."""
    names = [row["name"] for row in json.loads(run("list", "--family", "--json")[1])]
    assert names == [name for name in catalogue.list_models() if load(name).params]
    assert 0 < len(names) < len(catalogue.list_models())
    error = "error: no network called 'c1*' is a family. Leave out --family\n"
    assert run("list", "--family", "c1*") == (2, "", error)


def test_list_of_a_pattern(run: Run) -> None:
    """A shell pattern, as `fs.list_models` and timm take it; one that nothing matches is bad input."""
    assert catalogue.list_models("*_[dw]*") == ["c1c2c3c40_dilated", "c1c2c3c40_wide"]
    assert catalogue.list_models("nothing") == []
    status, out, _ = run("list", "*_[dw]*")
    assert (status, [line.split()[0] for line in out.splitlines()[1:]]) == (0, catalogue.list_models("*_[dw]*"))
    assert [row["name"] for row in json.loads(run("list", "*wide", "--json")[1])] == ["c1c2c3c40_wide"]
    error = "error: no network is called 'c1c2c3c4_wide'. Did you mean 'c1c2c3c40_wide'?\n"
    assert run("list", "c1c2c3c4_wide") == (2, "", error)
    assert catalogue.list_models("resnet*") == [name for name in catalogue.list_models() if name.startswith("resnet")]


def test_show(run: Run) -> None:
    """A catalogue entry with its comments, a file as its author wrote it, and the canonical form of either."""
    assert run("show", "c1c2c3c40")[1] == catalogue.path("c1c2c3c40").read_text(encoding="utf-8")
    spec = loads(SMALL)
    file = written("# a comment\n" + SMALL)
    assert run("show", file) == (0, "# a comment\n" + SMALL, "")
    assert run("show", file, "--format", "json")[1] == dump(spec, format="json")
    assert loads(run("show", file, "--canonical")[1]) == spec
    assert json.loads(run("show", file, "--canonical", "--format", "json")[1]) == spec.canonical()


def test_analyze(run: Run) -> None:
    """The table with its constraints below, or the table alone as Markdown, CSV and JSON."""
    report = analyze("c1c2c3c40")
    status, out, err = run("analyze", "c1c2c3c40")
    assert (status, err) == (0, "")
    assert out.startswith(report.to_text())
    assert out.splitlines()[-1] == "  holds   forbids: needs no max_pool, has none"
    assert run("analyze", "c1c2c3c40", "--all")[1].startswith(report.to_text(all_layers=True))
    assert run("analyze", "c1c2c3c40", "--markdown")[1] == report.to_markdown()
    assert run("analyze", "c1c2c3c40", "--markdown", "--all")[1] == report.to_markdown(all_layers=True)
    assert run("analyze", "c1c2c3c40", "--csv")[1] == report.to_csv()
    assert json.loads(run("analyze", "c1c2c3c40", "--json")[1]) == report.to_dict()


def test_analyze_states_no_constraints(run: Run) -> None:
    """A spec without constraints has no section for them."""
    assert "Constraints" not in run("analyze", written(SMALL))[1]


def test_analyze_at_another_input(run: Run) -> None:
    """`--input` overrides the spec's."""
    out = json.loads(run("analyze", "c1c2c3c40", "--input", "3x64x48", "--json")[1])
    assert (out["input"], out["features"]["shape"]) == ([3, 64, 48], [132, 12, 8])
    assert run("analyze", "c1c2c3c40", "--input", "3X64X64")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--input", "3x64"], "error: --input: needs channels x height x width, such as 3x64x64, gets '3x64'\n"),
        (["--input", "axbxc"], "error: --input: needs channels x height x width, such as 3x64x64, gets 'axbxc'\n"),
        (["--input", "3x²x2"], "error: --input: needs channels x height x width, such as 3x64x64, gets '3x²x2'\n"),
        (["--input", "0x8x8"], "input: needs [channels, height, width], each from 1 to 65536, gets [0, 8, 8]\n"),
        (["--input", "3x8x8"], "layers[6].conv: 3x3 with dilation 2 and padding 0 needs at least 5x5, gets 2x2\n"),
        (["--csv", "--json"], "error: give only one of --markdown, --csv and --json\n"),
    ],
)
def test_analyze_refuses(arguments: list[str], error: str, run: Run) -> None:
    """Options that do not fit are said in one line."""
    assert run("analyze", "c1c2c3c40", *arguments) == (2, "", error)


def test_further_readings(run: Run, golden: Callable[[str, str], None]) -> None:
    """`--ledger`, `--effective` and `--tile` stand in the table's place, one after the other, in each form."""
    status, out, err = run("analyze", "c1c2c3c40", "--ledger", "--effective", "--tile", "8")
    assert (status, err) == (0, "")
    golden("c1c2c3c40_readings.txt", out)
    markdown = run("analyze", "c1c2c3c40", "--ledger", "--tile", "8", "--markdown")[1]
    assert markdown.startswith("| Layer ")
    assert "- each reads 76 pixels, 32 after the previous one; they share 44" in markdown
    data = json.loads(run("analyze", "c1c2c3c40", "--ledger", "--effective", "--tile", "8", "--json")[1])
    assert list(data) == ["schema", "name", "ledger", "effective", "tiling"]
    assert (data["effective"]["side"], data["tiling"]["halo"]) == ([31, 31], [[16, 28]] * 2)


def test_picture(run: Run) -> None:
    """`--picture` draws what `--effective` prints; a format that cannot be drawn is one line."""
    status, out, err = run("analyze", written(SMALL), "--picture", "field.png")
    assert (status, err) == (0, "")
    assert out.startswith("network: effective receptive field at conv1.act")
    assert Path("field.png").read_bytes().startswith(b"\x89PNG")
    status, out, err = run("analyze", written(SMALL), "--picture", "field.doc")
    assert (status, out) == (2, "")
    assert err.startswith("error: field.doc: Format 'doc' is not supported")


def test_further_readings_that_cannot_be(run: Run) -> None:
    """A tile of a network that sees the whole image, a tile of nothing, CSV."""
    gated = written("input: [3, 32, 32]\nlayers: [{conv: {out: 8}}, {squeeze_excite: {}}]\n")
    status, _, err = run("analyze", gated, "--tile", "8")
    assert status == 2
    assert "cannot be run in tiles, because squeeze_excite1.body.pool sees the whole image" in err
    assert run("analyze", gated, "--tile", "0")[0] == 2
    status, _, err = run("analyze", gated, "--ledger", "--csv")
    assert (status, err) == (2, "error: --csv has the layers only; use --json or --markdown for other readings\n")


def test_check(run: Run) -> None:
    """Every constraint with its verdict; status 1 if one is broken."""
    status, out, err = run("check", "c1c2c3c40")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "  holds   receptive_field: needs > 44, has 47"
    assert json.loads(run("check", "c1c2c3c40", "--json")[1])["holds"] is True
    file = written(SMALL + "constraints: {params: '< 250', macs: '> 1'}\n")
    assert run("check", file) == (
        1,
        "  BROKEN  params: needs < 250, has 250\n  holds   macs: needs > 1, has 221,200\n",
        "",
    )
    status, out, _ = run("check", file, "--json")
    assert status == 1
    assert json.loads(out) == {
        "schema": 1,
        "name": "network",
        "holds": False,
        "constraints": [
            {"constraint": "params", "needs": "< 250", "has": "250", "holds": False},
            {"constraint": "macs", "needs": "> 1", "has": "221,200", "holds": True},
        ],
    }
    assert run("check", written(SMALL)) == (0, "network has no constraints\n", "")


def test_diff(run: Run) -> None:
    """Status 1 for different specs with --exit-code, and 0 otherwise, as git diff has it."""
    assert run("diff", "c1c2c3c40", "c1c2c3c40") == (0, "c1c2c3c40 -> c1c2c3c40: equal\n", "")
    file = written(dump(load("c1c2c3c40")).replace("classes: 10", "classes: 100"))
    assert run("diff", "c1c2c3c40", "c1c2c3c40", "--exit-code")[0] == 0
    status, out, err = run("diff", "c1c2c3c40", file, "--exit-code")
    assert (status, err) == (1, "")
    changed = ["~ head.classes: 10 -> 100", "~ params: 178178 -> 190148"]
    assert out.splitlines()[:3] == [f"c1c2c3c40 -> {file}", *changed]  # one name, so the file's tells them apart
    status, out, _ = run("diff", "c1c2c3c40", file, "--json")
    assert (status, json.loads(out)["changes"]) == (0, [{"path": "head.classes", "before": 10, "after": 100}])


def test_schema(run: Run) -> None:
    """JSON with every block."""
    status, out, _ = run("schema")
    assert status == 0
    assert "conv" in json.loads(out)["$defs"]


def test_build(run: Run) -> None:
    """Writes a checkpoint that carries its spec, and does not overwrite one unasked."""
    from safetensors.torch import load_file

    file = written(SMALL)
    status, out, err = run("build", file)
    assert (status, err) == (0, "")
    assert out == "network.safetensors: network, 250 parameters, initial weights with seed 0\n"
    assert load_file("network.safetensors")["layers.conv1.conv.weight"].shape == (8, 3, 3, 3)
    assert run("build", file) == (
        2,
        "",
        "error: network.safetensors: already exists; use --force to overwrite it, or another --output\n",
    )
    status, out, _ = run("build", file, "--force", "--json")
    assert json.loads(out) == {
        "path": "network.safetensors",
        "name": "network",
        "hash": loads(SMALL).hash,
        "params": 250,
        "seed": 0,
    }
    assert run("build", file, "-o", ".", "--force") == (2, "", "error: .: is a folder; give a file name\n")
    status, _, err = run("build", file, "-o", "no/folder/net.safetensors")
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_build_without_enough_memory(run: Run) -> None:
    """The spec is sound, and its weights are a million terabytes."""
    conv = "{conv: {out: 65536, kernel: 4096}}"
    file = written(f"{{input: [3, 4096, 4096], layers: [{conv}, {conv}]}}")
    assert run("build", file) == (2, "", "error: not enough memory for this network\n")


def test_networks_that_cannot_be_had(run: Run) -> None:
    """Somebody's code fails in its own ways; each is one line."""
    Path("boom.py").write_text("def make(**settings):\n    return {}['weights']\n")
    Path("bad.py").write_text("def make(:\n")
    assert run("analyze", "boom:make") == (2, "", "error: boom:make: cannot be created: KeyError('weights')\n")
    for name, said in {
        "bad:make": "error: bad: cannot be imported: SyntaxError(",
        "timm:resnet18,a=[1": "error: 'a=[1': is not a list of settings such as in_chans=1,output_stride=8",
    }.items():
        status, out, err = run("analyze", name)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(said)


def test_build_is_repeatable(run: Run) -> None:
    """A seed gives the same weights each time, another seed others."""
    from safetensors.torch import load_file

    file = written(SMALL)
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("build", file, "-o", name, "--seed", seed)[0] == 0
    first, again, other = (load_file(name)["layers.conv1.conv.weight"] for name in "abc")
    assert first.equal(again)
    assert not first.equal(other)


def test_verify(run: Run) -> None:
    """Every number is measured; the report is text or JSON."""
    file = written(SMALL)
    refused = "error: --timm checks the whole network at its own input size; remove --layer and --input\n"
    assert run("verify", file, "--timm", "--input", "3x64x64") == (2, "", refused)
    status, out, err = run("verify", file)
    assert (status, err) == (0, "")
    assert "params" in out
    status, out, _ = run("verify", file, "--json")
    assert status == 0
    assert json.loads(out)


# ---------------------------------------------------------------------------------------------- bad input


def test_stdin(run: Run) -> None:
    """`-` reads the spec from stdin, and names it so in errors."""
    assert run("check", "-", stdin=SMALL.encode()) == (0, "network has no constraints\n", "")
    assert run("check", "-", stdin=b"input: [3]\nlayers: [{act: }]") == (
        2,
        "",
        "<stdin>:1:8: input: needs [channels, height, width], each from 1 to 65536, gets [3]\n",
    )
    assert run("check", "-") == (2, "", "<stdin>:1:1: empty. A spec needs 'input' and 'layers'\n")


@pytest.mark.parametrize("command", ["show", "analyze", "check", "build", "verify", "diff"])
def test_no_such_spec(command: str, run: Run) -> None:
    """A wrong name is one line and status 2 for every command."""
    more = ["c1c2c3c40"] if command == "diff" else []
    error = "error: 'c1c2c3' is neither in the catalogue nor a file. Did you mean 'c1c2c3c40'?\n"
    assert run(command, *more, "c1c2c3") == (2, "", error)


def test_files_that_are_none(run: Run) -> None:
    """A missing file, a folder, bytes that are no text, and a file that may not be read."""
    Path("folder").mkdir()
    Path("latin.yaml").write_bytes(b"name: caf\xe9\n")
    Path("device.yaml").symlink_to("/dev/zero")
    for file, error in [
        ("no.yaml", "error: no.yaml: no such file\n"),
        ("folder", "error: folder: is a folder. Use a file in it\n"),
        ("latin.yaml", "latin.yaml:1:10: byte 0xe9 is not UTF-8. Save the file as UTF-8\n"),
        (
            "device.yaml",
            "device.yaml: 1048577 bytes, but at most 1048576 are allowed. Write repeated layers with 'repeat'\n",
        ),
    ]:
        assert run("check", file) == (2, "", error)
    locked = written(SMALL, "locked.yaml")
    os.chmod(locked, 0)
    if not os.access(locked, os.R_OK):  # root reads all
        assert run("check", locked) == (2, "", "error: locked.yaml: Permission denied\n")


def test_a_file_of_a_catalogue_name_needs_its_path(run: Run) -> None:
    """A bare name is the catalogue's, whatever lies in the folder."""
    written(SMALL, "c1c2c3c40")
    assert run("check", "c1c2c3c40")[1].startswith("  holds")
    assert run("check", "./c1c2c3c40")[1] == "network has no constraints\n"


# ------------------------------------------------------------------------------------------- as a process


def process(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """`python -m fieldspec` with arguments."""
    command = [sys.executable, "-m", "fieldspec", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


WITHOUT_TORCH = """
import sys
from fieldspec.cli import main
for arguments in (["list"], ["show", "c1c2c3c40", "--canonical"], ["analyze", "c1c2c3c40"], ["check", "c1c2c3c40"],
                  ["analyze", "c1c2c3c40", "--json"], ["diff", "c1c2c3c40", "c1c2c3c40_wide"], ["schema"]):
    sys.argv = ["fieldspec", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert (ended.code or 0) in (0, 1), arguments
    assert "torch" not in sys.modules, arguments
"""


def test_reading_needs_no_torch() -> None:
    """list, show, analyze, check, diff and schema answer without importing torch."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_as_a_module() -> None:
    """`python -m fieldspec` is the command, and says so."""
    assert process("--version").stdout == f"{__version__}\n"
    assert process("--help").stdout.startswith("Usage: fieldspec ")
    done = process("check", "-", input="input: [3, 8, 8]\nlayers: [{act: }]\nconstraints: {params: '> 1'}")
    assert (done.returncode, done.stdout, done.stderr) == (1, "  BROKEN  params: needs > 1, has 0\n", "")


def test_a_pipe_on_the_way_in() -> None:
    """A file may be a pipe, as a shell's `<(...)` is."""
    reading, writing = os.pipe()
    os.write(writing, SMALL.encode())
    os.close(writing)
    done = process("check", f"/dev/fd/{reading}", pass_fds=[reading])
    os.close(reading)
    assert (done.stdout, done.stderr) == ("network has no constraints\n", "")


def test_a_broken_pipe_on_the_way_out() -> None:
    """A reader that stops early (`| head`) is no error, and no traceback."""
    command = [sys.executable, "-m", "fieldspec", "analyze", "c1c2c3c40", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0


def test_pages(run: Run) -> None:
    """Files where they are asked for, a summary on stdout, and exit status 1 for a limit that is broken."""
    Path("small.yaml").write_text(SMALL, encoding="utf-8")
    assert run("draw", "small.yaml", "-o", "net.svg") == (0, "net.svg: network, 6 layers\n", "")
    assert Path("net.svg").read_text(encoding="utf-8").startswith("<svg ")
    assert run("draw", "small.yaml", "--open", "-o", "net.pdf")[0] == 0
    assert Path("net.pdf").read_bytes().startswith(b"%PDF")
    assert run("draw", "small.yaml", "-o", "net.txt")[0] == 2
    status, out, _ = run("report", "small.yaml")
    assert (status, out.split(",")[0]) == (0, "report.html: network")
    status, out, err = run("report", "small.yaml", "c1c2c3c40", "--markdown", "--fail-on", "params > +5%")
    assert (status, out.splitlines()[0]) == (1, "### network → c1c2c3c40")
    assert err.startswith("broken: params > +5%: c1c2c3c40 has 178,178")
    assert (
        run("report", "small.yaml", "--image", "none.png", "-o", "p.html")[2]
        == "error: none.png: No such file or directory\n"
    )
