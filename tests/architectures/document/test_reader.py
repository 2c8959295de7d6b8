"""The text of a spec: its data, its places, and its problems in their exact words."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml
from draws import draws
from hypothesis import given
from hypothesis import strategies as st

from fieldspec.architectures.document import composer
from fieldspec.architectures.document.problems import Path, Problem, SpecError, path_text
from fieldspec.architectures.document.reader import Source, read, read_data
from fieldspec.blocks.suggestions import did_you_mean

BLOCK = """\
layers:                       # a comment
  - conv: {out: 32, kernel: 3}
  - residual:
      out: 64
      body:
        - conv: &small
            out: 8
        - conv: *small
description: >
  Folded
  text
"""

BROKEN = [
    # YAML's own traps
    ("constraints:\n  receptive_field: > 44", """2:20: '>' starts a block scalar in YAML. Quote it: "> 44\""""),
    ("a: {b: >= 4, c: 1}", """1:8: '>' starts a block scalar in YAML. Quote it: ">= 4\""""),
    ("a:\n  b: >4\n  c: 1", """2:6: a.b: '>' starts a block scalar in YAML. Quote it: ">4\""""),
    ("a: 1\nb: {c: 1}\na: 2", "3:1: a: duplicate key, first at line 1, column 1. Remove one of the two"),
    ("a: {'b': 1, b: 2}", "1:13: a.b: duplicate key, first at line 1, column 5. Remove one of the two"),
    ("a: {1: 2}", '1:5: a: this key is not a string. Quote it: "1"'),
    ("true: 2", '1:1: this key is not a string. Quote it: "true"'),
    ("a: {[b]: 2}", "1:5: a: a list or mapping as a key. Use a word"),
    (
        "a: &b {c: 1}\nd: {<<: *b}",
        "2:5: d['<<']: merge keys are not supported. Write out the settings, or define a block under 'blocks'",
    ),
    ("a: {out:32}", "1:5: a: no space after the colon. Write 'out: 32'"),
    ("a:\n\tb: 1", "2:1: a tab in the indentation. Use spaces"),
    ("a:\n  b: 1\n \tc: 1", "3:2: a tab in the indentation. Use spaces"),
    # tags, aliases, numbers
    (
        "a: !!python/object/apply:os.system [ls]",
        "1:4: a: tag '!!python/object/apply:os.system': tags are not supported. Remove it, or quote the value",
    ),
    ("a: !!int 1", "1:4: a: tag '!!int': tags are not supported. Remove it, or quote the value"),
    ("a: [!foo b]", "1:5: a[0]: tag '!foo': tags are not supported. Remove it, or quote the value"),
    ("a: *b", "1:4: a: alias '*b' has no anchor before it. Write out the value"),
    ("a: &b [*b]", "1:8: a[0]: alias '*b' is inside its own anchor. Write out the value"),
    ("a: " + "1" * 41, "1:4: a: number too large, or over 40 digits long. Quote it if it is text"),
    ("a: 1e999", "1:4: a: number too large, or over 40 digits long. Quote it if it is text"),
    # the text as a whole
    ("", "1:1: empty. A spec needs 'input' and 'layers'"),
    ("# nothing\n---\n", "3:1: empty. A spec needs 'input' and 'layers'"),
    ("- a", "1:1: a list, but a spec is a mapping. Write 'key: value' lines"),
    ("[1]", "1:1: a list, but a spec is a mapping. Write 'key: value' lines"),
    ("a:1", "1:1: the single value 'a:1', but a spec is a mapping. Write 'key: value' lines"),
    ("a: 1\n---\nb: 2", "2:1: a second document. Write one spec per file"),
    ("%TAG ! x\n---\na: 1", "1:1: YAML directives ('%...') are not supported. Remove it"),
    ("{a: 1}}", "1:7: text after the end of the spec. Remove it, or indent it like the rest"),
    (b"a: 1\nb: \xe9\xff", "2:4: byte 0xe9 is not UTF-8. Save the file as UTF-8"),
    (b"\xc3\xa9: \xc3\xa9\xff", "1:5: byte 0xff is not UTF-8. Save the file as UTF-8"),
    ("a: b\x07", "1:5: unprintable character U+0007. Remove it"),
    ("a: \ud800", "1:4: unprintable character U+D800. Remove it"),
    ('a: "\\e[31m"', "1:4: a: unprintable character U+001B. Remove it"),
    # what the scanner and the parser refuse
    ("a: 1\n b: 2", "2:3: a second ': ' in one value. Quote the value, or align the line with those above"),
    ("a: b: c", "1:5: a second ': ' in one value. Quote the value, or align the line with those above"),
    ("a: 1\nfoo\nb: 2", "2:1: neither 'key: value' nor '- item'. Write a space after the colon"),
    ("a: - b", "1:4: no list item or key can start here. Start a new line, or quote it"),
    ("a:\n   b: 1\n  c: 2", "3:3: does not continue the mapping of line 1, column 1. Indent it like the keys there"),
    ("a:\n  - b\n  c: 2", "3:3: does not continue the list of line 2, column 3. Indent it like the items there"),
    ("a: 'b'c", "1:7: text after a complete value. Remove it, or quote the whole value"),
    ("a: [1, 2\n", "1:4: '[' is never closed. Add ']'"),
    ('{"a": {"b": 1}', "1:1: '{' is never closed. Add '}'"),
    (
        '{"a": 1\n "b": 2}',
        "2:5: a comma is missing before this, or the closing bracket for line 1, column 1",
    ),
    ("{a: 1,, b: 2}", "1:7: a value is missing before this. Write it, or null"),
    ("a: 'b\nc: 2", "1:4: this quote is never closed. Add the closing one"),
    ("a: @b", "1:4: '@' cannot start a value. Quote the value"),
    ("a: * 2", "1:4: '&' and '*' are anchors and aliases in YAML. Quote the value"),
    ('a: "\\d"', "1:5: this backslash is not a valid escape. Double it, or use single quotes"),
    ("\U0001f600: \U0001f600\nb: @", "2:4: '@' cannot start a value. Quote the value"),
]

PLAIN = [
    ("true", True),
    ("False", False),
    ("null", None),
    ("~", None),
    ("", None),
    ("on", "on"),
    ("no", "no"),
    ("y", "y"),
    ("12", 12),
    ("-3", -3),
    ("+3", 3),
    ("010", "010"),
    ("0x10", "0x10"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("1e-3", 1e-3),
    ("1E5", 1e5),
    (".5", 0.5),
    ("1.", 1.0),
    (".", "."),
    (".nan", ".nan"),
    ("inf", "inf"),
    ("NaN", "NaN"),
    ("2001-01-01", "2001-01-01"),
    ("< 200k", "< 200k"),
    ("= 3", "= 3"),
    ("'1'", "1"),
    ('"true"', "true"),
    ("''", ""),
    ("'> 44'", "> 44"),
    ("|\n  > 44", "> 44"),
    (">\n  one\n  text\n", "one text\n"),
]

HOSTILE = {
    "brackets": "'[' * 100_000",
    "closed brackets": "'a: ' + '[' * 100_000 + ']' * 100_000",
    "braces": "'{a: ' * 100_000",
    "braces as keys": "'{? ' * 100_000",
    "question marks": "'? ' * 100_000",
    "dashes": "'- ' * 100_000",
    "indentation": "'\\n'.join(' ' * i + 'a:' for i in range(1_440))",  # as deep as 1 MiB goes
    "laughs": "'a0: &a0 [x, x]\\n' + ''.join(f'a{i}: &a{i} [' + f'*a{i - 1}, ' * 9 + ']\\n' for i in range(1, 60))",
    "long laughs": "'a: &a ' + 'x' * 900_000 + '\\nb: [' + '*a, ' * 30_000 + ']'",
    "deep aliases": "'a0: &a0 [x]\\n' + ''.join(f'a{i}: &a{i} [*a{i - 1}]\\n' for i in range(1, 1_000))",
    "digits": "'a: ' + '9' * 1_000_000",
    "exponent": "'a: 1e' + '9' * 1_000_000",
    "10 MB": "'a: 1\\n' * 2_000_000",
    "1e6 scalars": "'a: [' + '1,' * 1_000_000 + ']'",
    "most scalars": "'a: [' + '1,' * 520_000 + ']'",
    "duplicate keys": "'a: 1\\n' * 200_000",
    "duplicate long keys": "'? &k ' + 'x' * 900_000 + '\\n: 1\\n' + '*k : 1\\n' * 10_000",
    "directives": "'%TAG !a! b\\n' * 90_000",
    "late directives": "'a: 1\\n...\\n' + ''.join(f'%TAG !{i}! b\\n' for i in range(50_000))",
    "quotes": "'{' + chr(34) + (chr(92) + chr(34)) * 500_000",
    "open quotes": "'{' + chr(34) * 999_999",
    "tabs": "'{' + chr(9) * 1_000_000",
    "lone anchors": "'a: [' + '&a ,' * 200_000",
}

PROBE = """
import resource, time
resource.setrlimit(resource.RLIMIT_AS, (200_000_000, 200_000_000))
from fieldspec.architectures.document.reader import SpecError, read
text = eval({text!r})
start = time.process_time()
try:
    read(text)
except SpecError as error:
    print(time.process_time() - start, max(map(len, str(error).splitlines())), len(error.problems))
"""


def problems(text: str | bytes) -> str:
    """The lines in which a text is refused."""
    with pytest.raises(SpecError) as caught:
        read(text)
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_broken_text(text: str | bytes, message: str) -> None:
    """Each broken text is refused in one line that says the place, the reason and the mend."""
    assert problems(text) == message


@pytest.mark.parametrize(("text", "message"), BROKEN)
def test_broken_text_pure(text: str | bytes, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's pure parser, where libyaml is not at hand, gives the same words (one column apart in an escape)."""
    monkeypatch.setattr(composer, "_LOADER", yaml.SafeLoader)
    assert problems(text) == message.replace("1:5: this backslash", "1:6: this backslash")


def test_all_problems_at_once() -> None:
    """Keys, tags and aliases are reported together in the order of the text, up to what the scanner refuses."""
    assert problems("a: !x 1\na: *b\nc: {d: 1, d: 2}\n1: 2\ne: @").splitlines() == [
        "1:4: a: tag '!x': tags are not supported. Remove it, or quote the value",
        "2:1: a: duplicate key, first at line 1, column 1. Remove one of the two",
        "2:4: a: alias '*b' has no anchor before it. Write out the value",
        "3:11: c.d: duplicate key, first at line 3, column 5. Remove one of the two",
        '4:1: this key is not a string. Quote it: "1"',
        "5:4: '@' cannot start a value. Quote the value",
    ]


def test_file_in_problems() -> None:
    """The file's name stands first in each line, also where there is no line to name."""
    with pytest.raises(SpecError, match=r"^c1.yaml:1:4: a: tag '!x'"):
        read("a: !x 1", file="c1.yaml")
    with pytest.raises(SpecError, match=r"^c1.yaml: 1048577 bytes, but at most 1048576 are allowed\."):
        read("x" * (2**20 + 1), file="c1.yaml")


@pytest.mark.parametrize(("text", "value"), PLAIN)
def test_scalars(text: str, value: object) -> None:
    """Plain scalars follow YAML 1.2 without octal numbers, nan and inf; quoted and block scalars are text."""
    data = read(f"a: {text}").data["a"]
    assert data == value
    assert type(data) is type(value)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ((), (1, 1), (1, 1)),
        (("layers",), (2, 3), (1, 1)),
        (("layers", 0), (2, 5), (2, 5)),
        (("layers", 0, "conv"), (2, 11), (2, 5)),
        (("layers", 0, "conv", "kernel"), (2, 29), (2, 21)),
        (("layers", 1, "residual", "out"), (4, 12), (4, 7)),
        (("layers", 1, "residual", "body", 0, "conv", "out"), (7, 18), (7, 13)),
        (("layers", 1, "residual", "body", 1, "conv"), (8, 17), (8, 11)),  # the alias itself
        (("layers", 1, "residual", "body", 1, "conv", "out"), (7, 18), (7, 13)),  # where its parts are written
        (("description",), (9, 14), (9, 1)),
        (("layers", 0, "conv", "stride"), (2, 11), (2, 11)),  # missing: what should hold it
        (("layers", 0, "conv", "out", "deeper"), (2, 17), (2, 17)),
        (("layers", 9), (2, 3), (2, 3)),
    ],
)
def test_places(path: Path, value: tuple[int, int], key: tuple[int, int]) -> None:
    """Line and column, from 1, of values and keys in block style, flow style and behind aliases."""
    found = read(BLOCK)
    assert (found.locate(path), found.locate(path, at_key=True)) == (value, key)


def test_place_fills_a_problem() -> None:
    """A problem that knows its path gets its file, line and column."""
    problem = read(BLOCK, file="c1.yaml").place(Problem(("layers", 0, "conv", "kernel"), "unknown key.", at_key=True))
    assert str(problem) == "c1.yaml:2:21: layers[0].conv.kernel: unknown key."


def test_data_without_text() -> None:
    """A dict that was never text has no places, and its problems keep their paths."""
    found = Source({"a": 1})
    assert found.locate(("a",)) is None
    assert str(found.place(Problem(("a",), "wrong"))) == "a: wrong"


def test_byte_order_mark_and_line_ends() -> None:
    """A byte order mark takes no column; Windows line ends count as one."""
    found = read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert found.data == {"a": 1, "b": 2}
    assert (found.locate(("a",)), found.locate(("b",))) == ((1, 4), (2, 4))


@pytest.mark.parametrize("loader", [composer._LOADER, yaml.SafeLoader])
def test_json(loader: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON with tabs between tokens and escapes of all kinds keeps its columns; tabs inside strings stay."""
    monkeypatch.setattr(composer, "_LOADER", loader)
    found = read('\n{\n\t"a":\t["\\ud83d\\ude00\\\\ud83d\\/", 1],\n\t"b\tc": null, "d": -1.5e3}')
    assert found.data == {"a": ["\U0001f600\\ud83d/", 1], "b\tc": None, "d": -1500.0}
    assert (found.locate(("a", 1)), found.locate(("d",))) == ((3, 33), (4, 20))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile(text: str) -> None:
    """A hostile text ends in a few short problems, in seconds and within 200 MB for the whole process."""
    probe = subprocess.run([sys.executable, "-c", PROBE.format(text=text)], capture_output=True, text=True, check=False)
    assert probe.returncode == 0, probe.stderr
    assert probe.stdout, "read without a problem"
    time_s, longest, count = map(float, probe.stdout.split())
    assert time_s < 5
    assert longest < 2_000
    assert count <= 100


def test_bounds_are_exact() -> None:
    """64 levels and 100,000 keys and values pass, one more does not, whether written out or as aliases."""
    read("a: " + "[" * 63 + "]" * 63)
    assert problems("a: " + "[" * 64 + "]" * 64) == "1:67: nested deeper than 64. Make the spec flatter"
    read("a: [" + "1," * 99_997 + "]")
    message = "1:199999: more than 100000 keys and values, with aliases expanded. Make the spec smaller"
    assert problems("a: [" + "1," * 99_998 + "]") == message
    assert "100000" in problems("a: &a [" + "1," * 50_000 + "]\nb: *a")


def test_largest_spec_is_fast() -> None:
    """A spec of 90,000 values is read in seconds: nothing is quadratic."""
    text = "layers:\n" + "  - {a: 1}\n" * 30_000
    start = time.process_time()
    assert len(read(text).data["layers"]) == 30_000
    assert time.process_time() - start < 10


def test_problem_lines() -> None:
    """A problem prints what is known of its place, and no more."""
    path = ("layers", 3, "conv", "strid")
    assert str(Problem(path, "m", file="c1.yaml", line=7, column=23)) == "c1.yaml:7:23: layers[3].conv.strid: m"
    assert str(Problem(path, "m", line=7, column=23)) == "7:23: layers[3].conv.strid: m"
    assert str(Problem(path, "m", file="c1.yaml")) == "c1.yaml: layers[3].conv.strid: m"
    assert str(Problem(path, "m")) == "layers[3].conv.strid: m"
    assert str(Problem((), "m")) == "m"


def test_path_text() -> None:
    """Keys that are no plain words stand in brackets, on one line and shortened."""
    assert path_text((0, "a", 1, 2, "b")) == "[0].a[1][2].b"
    assert path_text(("a.b", "$c", "d\ne")) == "['a.b'].$c['d\\ne']"
    assert len(path_text(("x" * 1_000_000,))) < 70


def test_spec_error_sorts_and_survives_pickling() -> None:
    """Problems stand in the order of the text, those of one place as given, those without a place last."""
    given_order = [Problem((), "d"), Problem((), "b", line=2, column=3), Problem((), "c", line=2, column=3)]
    error = SpecError([*given_order, Problem((), "a", line=1, column=9)])
    assert [problem.message for problem in error.problems] == ["a", "b", "c", "d"]
    assert str(pickle.loads(pickle.dumps(error))) == str(error) == "1:9: a\n2:3: b\n2:3: c\nd"


def test_did_you_mean() -> None:
    """A near name is proposed, and none where none is near."""
    assert did_you_mean("resnet", ["conv", "residual"]) == ""
    assert did_you_mean("residul", iter(["conv", "residual"])) == " Did you mean 'residual'?"


printable = st.text(max_size=12).filter(str.isprintable)
# PyYAML, which is YAML 1.1, writes the text `1e3` without quotes
words = printable.filter(lambda text: not composer._NUMBER.fullmatch(text) or "e" not in text.lower())
leaves = st.none() | st.booleans() | st.integers(-(10**39), 10**39) | st.floats(allow_nan=False, allow_infinity=False)
specs = st.dictionaries(
    words,
    st.recursive(leaves | words, lambda inner: st.lists(inner) | st.dictionaries(words, inner), max_leaves=10),
)


def inside(found: Source, data: Any, path: Path = ()) -> bool:
    """Whether every key and value is located in the text."""
    lines = found.text.split("\n")
    places = [found.locate(path), found.locate(path, at_key=True)]
    steps = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return all(place and place[1] <= len(lines[place[0] - 1]) + 1 for place in places) and all(
        inside(found, value, (*path, step)) for step, value in steps
    )


@draws(100)
@given(specs, st.booleans())
def test_yaml_round_trip(data: dict[str, Any], flow: bool) -> None:
    """What PyYAML writes is read back, and every part of it has its place."""
    found = read(yaml.safe_dump(data, default_flow_style=flow, allow_unicode=flow))
    assert found.data == data
    assert inside(found, data)


@draws(100)
@given(specs, st.booleans())
def test_json_round_trip(data: dict[str, Any], ascii_only: bool) -> None:
    """What json writes with tabs is read back, and every part of it has its place."""
    found = read(json.dumps(data, indent="\t", ensure_ascii=ascii_only))
    assert found.data == data
    assert inside(found, data)


@draws(100)
@given(st.text() | st.text("{}[]:,-&*!|>'\"\\%#? \n\tab1"))
def test_any_text(text: str) -> None:
    """Any text at all is read, or refused with places inside it."""
    try:
        found = read(text)
    except SpecError as error:
        lines = text.removeprefix("\ufeff").split("\n")
        for problem in error.problems:
            assert problem.line is not None
            assert problem.column is not None
            assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
            assert len(str(problem).splitlines()) == 1
    else:
        assert inside(found, found.data)


PLAIN_DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab:,{[#$'\u00e9 \n", max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc:<", max_size=3), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text("abc:<", max_size=3), PLAIN_DATA, max_size=4))
def test_data_is_what_its_json_is(data: dict[str, Any]) -> None:
    """Read at once where that is safe, else as YAML: the same values of the same types."""
    assert repr(read_data(data).data) == repr(read(json.dumps(data)).data)
