"""Commands that read specs: `list`, `show`, `check`, `diff` and `schema`."""

from __future__ import annotations

import json

from commands import Run
from small_files import SMALL, written

from fieldspec.architectures.network.pretrained import weights
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.architectures.spec.writer import dump


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
    status, out, _ = run("check", written(SMALL + "constraints: {latency_ms: '< 2'}\n"))
    assert status == 1  # without a profile it is unknown
    assert out.startswith("  unknown latency_ms: needs < 2, has no proven number (no machine profile.")


def test_a_network_where_a_spec_is_needed(run: Run) -> None:
    """diff and check name the commands that take or convert one."""
    assert run("diff", "c1c2c3c40", "timm:resnet18") == (
        2,
        "",
        "error: diff compares specs, and timm:resnet18 is a PyTorch network; use fieldspec report c1c2c3c40 "
        "timm:resnet18, or convert it: fieldspec show timm:resnet18 > a.yaml\n",
    )
    assert run("check", "timm:resnet18") == (
        2,
        "",
        "error: timm:resnet18 is a PyTorch network, not a spec; convert it: fieldspec show timm:resnet18 > a.yaml\n",
    )


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
