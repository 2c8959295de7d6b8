"""Open specs: domains in place of values, checked where they stand, closed by the values that are chosen."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from fieldspec.architectures import json_schema, load, loads
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.document.reader import read
from fieldspec.architectures.spaces.open_spec import load_open, open_spec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import main

OPEN = """
name: open
input: [3, 16, 16]
params: {width: {choice: [8, 12]}, pool: {kernel: 2}}
layers:
  - conv: {out: $width, kernel: {choice: [3, 5]}}
  - choice:
    - max_pool: $pool
    - conv: {out: 2*$width, stride: 2, dilation: {range: [1, 2, 1]}}
  - {residual: {out: 8}, repeat: {range: [1, 3, 1]}, id: s}
head: {classes: 10, dropout: {range: [0, 0.5, 0.25]}}
constraints: {params: "< 10k"}
objectives: {maximize: [receptive_field], minimize: [params]}
"""


def test_the_domains_of_a_document() -> None:
    """From top to bottom; those inside an alternative are multiplied out."""
    spec = open_spec(read(OPEN))
    assert [(domain.name, len(domain.values)) for domain in spec.domains] == [
        ("width", 2), ("layers[0].conv.kernel", 2), ("layers[1]", 3), ("layers[2].repeat", 3), ("head.dropout", 3)
    ]  # fmt: skip
    assert spec.space == 108
    assert spec.domains[2].values[2] == {"conv": {"out": "2*$width", "stride": 2, "dilation": 2}}
    assert spec.domains[4].values == (0, 0.25, 0.5)


def test_candidates_are_specs() -> None:
    """Closed by a value for each domain; a parameter that only another alternative uses is left out."""
    spec = open_spec(read(OPEN))
    item = spec.domains[2].values[1]
    document = spec.document((12, 5, item, 2, 0.25))
    assert document["params"] == {"width": 12}
    assert "objectives" not in document
    closed = spec.close((12, 5, item, 2, 0.25))
    assert [one.id for one in closed.items] == ["conv1", "conv2", "s.0", "s.1"]
    assert load(document) == closed
    assert spec.document((12, 5, spec.domains[2].values[0], 2, 0.25))["params"] == {"width": 12, "pool": {"kernel": 2}}


def test_values_that_are_given() -> None:
    """By name, a setting in place by its path; what is no value of the domain is refused, and so are other paths."""
    given: dict[str, Any] = {"width": 8, "layers[0].conv.kernel": 3, "layers[1]": {"max_pool": "$pool"}}
    spec = open_spec(read(OPEN))
    rest = load_open(spec.to_dict(), **given)
    assert [domain.name for domain in rest.domains] == ["layers[2].repeat", "head.dropout"]
    given |= {"layers[2].repeat": 1, "head.dropout": 0}
    assert loads(OPEN, **given).graph.nodes[1].shape == (8, 16, 16)
    with pytest.raises(FieldspecError, match=r"open\.yaml: width is 9, but its domain is 8, 12"):
        loads(OPEN, name="open.yaml", width=9)
    with pytest.raises(FieldspecError, match=r"unknown open setting 'layers\[2\]\.residual\.out'"):
        loads(OPEN, name=None, **{"layers[2].residual.out": 9})


def test_comparisons_that_cannot_be_read() -> None:
    """Thousands separators and `and` are named, with what to write."""
    document = {"input": [3, 8, 8], "layers": [{"conv": {"out": 4}}]}
    for comparison, mend in (
        ("<1,000", "Remove the thousands separators"),
        ("> 3 and < 9", "Separate comparisons"),
    ):
        with pytest.raises(FieldspecError, match=mend):
            load_open({**document, "constraints": {"params": comparison}})


def test_an_open_spec_is_no_network() -> None:
    """Each open place is named, with the way to close it."""
    with pytest.raises(SpecError) as error:
        loads(OPEN)
    assert str(error.value).splitlines()[:2] == [
        "4:17: params.width: is open: 2 values (8, 12). Use --set width=8, or let fieldspec search choose",
        "6:33: layers[0].conv.kernel: is open: 2 values (3, 5). Use --set 'layers[0].conv.kernel=3', "
        "or let fieldspec search choose",
    ]


BROKEN = [
    ("{choice: []}", "choice: needs a list of values, gets []"),
    ("{choice: 3}", "choice: needs a list of values, gets 3"),
    ("{choice: [3, 3]}", "choice[1]: 3 is listed twice. Remove one"),
    ("{choice: [3], kernel: 5}", "choice: must be the only key in its mapping, but there is 'kernel'"),
    ("{range: [1, 5]}", "range: needs three numbers"),
    ("{range: [1, 5, 3]}", "range: from 1 in steps of 3 does not reach 5; the last below is 4"),
    ("{range: [5, 1, 1]}", "range: needs a lower end, an upper end and a positive step"),
    ("{range: [1, 1000000, 1]}", "range: has 1000000 values, but at most 100000 are supported"),
    ("{choice: [3, x]}", "choice[1]: needs"),
    ("{choice: [3, $none]}", "choice[1]: unknown parameter '$none'"),
    ("{choice: [3, {choice: [5, big]}]}", "choice[1]: needs"),
]


@pytest.mark.parametrize(("domain", "reason"), BROKEN, ids=[domain for domain, _ in BROKEN])
def test_a_broken_domain_is_told_at_its_place(domain: str, reason: str) -> None:
    """The list, the alternative or the setting inside it, with line and column."""
    text = f"input: [3, 16, 16]\nlayers:\n  - conv: {{out: 8, kernel: {domain}}}"
    with pytest.raises(SpecError) as error:
        open_spec(read(text, "net.yaml"))
    assert len(error.value.problems) == 1
    assert str(error.value).startswith("net.yaml:3:")
    assert f"layers[0].conv.kernel.{reason}" in str(error.value)


def test_objectives_are_known_measures() -> None:
    """In open and closed specs alike."""
    text = "{input: [3, 8, 8], layers: [{conv: {out: 8}}], objectives: {minimize: [parms], maximize: [macs, macs]}}"
    with pytest.raises(SpecError, match=r"unknown measure 'parms'\. Did you mean 'params'") as error:
        loads(text)
    assert "objectives.maximize[1]: 'macs' is listed twice" in str(error.value)


def test_the_schema_takes_domains() -> None:
    """What loads is valid, and a mapping with another word is not."""
    schema = json_schema()
    document = yaml.safe_load(OPEN)
    jsonschema.validate(document, schema)
    document["layers"][0]["conv"]["kernel"] = {"choices": [3, 5]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_every_candidate_of_a_block_of_its_own() -> None:
    """A domain in the body of the spec's own block, and one in its parameters, hold for all uses."""
    spec = load_open(
        {
            "input": [3, 8, 8],
            "blocks": {
                "own": {
                    "params": {"out": {"choice": [4, 8]}},
                    "body": [{"conv": {"out": "$out", "kernel": {"choice": [1, 3]}}}],
                }
            },
            "layers": [{"own": {}, "repeat": 2}],
        }
    )
    names = ["blocks.own.params.out", "blocks.own.body[0].conv.kernel"]
    assert [domain.name for domain in spec.domains] == names
    sizes = {spec.close(values).graph.nodes[-1].shape[0] for values in product((4, 8), (1, 3))}
    assert sizes == {4, 8}


def test_show_prints_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As its author wrote it, also with some values given."""
    (tmp_path / "open.yaml").write_text(OPEN, encoding="utf-8")
    arguments = ["show", str(tmp_path / "open.yaml"), "--format", "json", "--set", "layers[0].conv.kernel=5"]
    monkeypatch.setattr("sys.argv", ["fieldspec", *arguments])
    with pytest.raises(SystemExit):
        main()
    printed = json.loads(capsys.readouterr().out)
    assert printed["layers"][0] == {"conv": {"out": "$width", "kernel": 5}}
    assert printed["layers"][2]["repeat"] == {"range": [1, 3, 1]}
