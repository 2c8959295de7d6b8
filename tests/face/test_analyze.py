"""`analyze` and its further readings: what they print, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Run
from small_files import SMALL, written

from fieldspec.architectures.readings.reports import analyze


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
    assert err == "error: field.doc: needs a name that ends in .png, .pdf or .svg\n"


def test_further_readings_that_cannot_be(run: Run) -> None:
    """A tile of a network that sees the whole image, a tile of nothing, CSV."""
    gated = written("input: [3, 32, 32]\nlayers: [{conv: {out: 8}}, {squeeze_excite: {}}]\n")
    status, _, err = run("analyze", gated, "--tile", "8")
    assert status == 2
    assert "cannot be run in tiles, because squeeze_excite1.body.pool sees the whole image" in err
    assert run("analyze", gated, "--tile", "0")[0] == 2
    status, _, err = run("analyze", gated, "--ledger", "--csv")
    assert (status, err) == (2, "error: --csv has the layers only; use --json or --markdown for other readings\n")


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
