"""What `load` and `loads` take, and what they say of anything else."""

from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from written_specs import spec_of

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.blocks.errors import FieldspecError


def test_load_takes() -> None:
    """A catalogue name, a path of either kind, plain data, or a spec; each gives the same."""
    spec = load("c1c2c3c40")
    path = catalogue.path("c1c2c3c40")
    assert load(spec) is spec
    assert load(str(path)) == load(path) == load(spec.to_dict()) == spec
    assert load(MappingProxyType(spec.to_dict())) == spec
    assert loads(path.read_bytes()) == loads(path.read_text(encoding="utf-8")) == spec


def test_json_file(tmp_path: Path) -> None:
    """A JSON file is read like a YAML one, and named in its errors."""
    path = tmp_path / "net.json"
    path.write_text(json.dumps(load("c1c2c3c40").to_dict(), indent="\t"), encoding="utf-8")
    assert load(path) == load("c1c2c3c40")
    path.write_text('{\n\t"input": [3],\n\t"layers": [{"conv": {"out": 8}}]}', encoding="utf-8")
    with pytest.raises(SpecError, match=r"net.json:2:11: input: needs \[channels, height, width\]"):
        load(path)


def test_data_is_copied() -> None:
    """What the caller changes later, in what was given or in what was got, does not reach the spec."""
    data: dict[str, Any] = {"input": (3, 8, 8), "layers": [{"conv": {"out": 8}}]}
    spec = load(data)
    data["layers"].append({"conv": {"out": 9}})
    spec.to_dict()["layers"].clear()
    spec.canonical()["layers"][0]["conv"]["out"] = 9
    assert spec == load({"input": [3, 8, 8], "layers": [{"conv": {"out": 8}}]})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"input": {3}}, r"^not plain data: \{3\} of type set is not|^not plain data: \{3\} of type set"),
        ({"input": [3, 8, float("nan")]}, "^not plain data: Out of range float values are not JSON compliant"),
        ({"description": "\x07"}, r"^description: unprintable character U\+0007"),
        ({"input": [3, 8, 8], "layers": [{"conv": {"ot": 8}}]}, r"^layers\[0\].conv: missing key 'out'"),
    ],
)
def test_data_that_is_none(data: dict[str, Any], message: str) -> None:
    """What no text could say is refused as such; problems in data have paths and no places."""
    with pytest.raises(SpecError, match=message):
        load(data)


def test_deep_and_circular_data() -> None:
    """Data nested deeper than 64 levels, or inside itself, is refused, never a RecursionError."""
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    circle: dict[str, Any] = {}
    circle["layers"] = circle
    cases: list[dict[str, Any]] = [{"layers": deep}, circle, {"layers": [[[[]]]] * 90_000}]
    for data in cases:
        with pytest.raises(SpecError, match=r"^not plain data|^more than 100000 keys"):
            load(data)


def test_an_input_size_of_one_number() -> None:
    """As in a spec, three are needed."""
    with pytest.raises(SpecError, match=r"^input: needs \[channels, height, width\], each from 1 to 65536, gets 64$"):
        analyze("c1c2c3c40", input_size=64)  # type: ignore[arg-type]


def test_nothing_there(tmp_path: Path) -> None:
    """A wrong name, a missing file, a folder and a text each say so."""
    for source, message in [
        ("c1c2c3", r"^'c1c2c3' is neither in the catalogue nor a file. Did you mean 'c1c2c3c40'\?"),
        ("zzz", r"^'zzz' is neither in the catalogue nor a file. fieldspec list names the catalogue.$"),
        ("timm:", r"^timm: needs the name of a network, such as timm:resnet18$"),
        ("no.yaml", r"^no.yaml: no such file$"),
        (str(tmp_path), r": is a folder. Use a file in it$"),
        ("{input: [3, 8, 8]}", r"^'{input: \[3, 8, 8\]}': no such file. To load the text of a spec, use loads\(\)$"),
        ("x" * 5000, "File name too long"),
    ]:
        with pytest.raises(FieldspecError, match=message):
            load(source)


def test_what_is_no_spec_is_named() -> None:
    """Something of another type is refused in a line that says what is taken; a class, that an instance is needed."""
    with pytest.raises(FieldspecError, match=r"^dict is a class; pass an instance: dict\(\)$"):
        analyze(dict)  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match=r"also take an nn.Module\), not an int$"):
        analyze(5)  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match="not a NoneType"):
        load(None)  # type: ignore[arg-type]
    with pytest.raises(FieldspecError, match="load takes a dict"):
        loads({})  # type: ignore[arg-type]


def test_keys_of_the_authors_own() -> None:
    """`x-...` holds what anchors name; it is no part of the network."""
    text = (
        "{x-own: &own {out: 8, act: silu}, x-open: {choice: [1]}, input: [3, 8, 8], layers: [conv: *own, conv: *own]}"
    )
    assert loads(text) == spec_of("[{conv: {out: 8, act: silu}}, {conv: {out: 8, act: silu}}]", size="[3, 8, 8]")
    with pytest.raises(SpecError, match="open: is open"):
        loads(text.replace("x-open", "open"))
