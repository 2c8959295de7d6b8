"""What a spec promises, and which promises a report breaks."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import pytest

from fieldspec.architectures.document.problems import Problems, SpecError
from fieldspec.architectures.readings.reports import analyze, check
from fieldspec.architectures.spec.constraints import (
    MEASURES,
    PROPERTIES,
    Constraint,
    evaluate_constraints,
    parse_constraints,
)
from fieldspec.architectures.spec.spec import load, loads

LAYERS = "input: [3, 32, 32]\nlayers: [{conv: {out: 8}}, {strided: {out: 16}}]\n"


def broken(constraints: str, layers: str = LAYERS) -> list[str]:
    """The verdicts that fail."""
    return [str(verdict) for verdict in check(loads(f"{layers}constraints: {constraints}"))]


@pytest.mark.parametrize(
    ("written", "canonical", "limit"),
    [
        ("> 44", "> 44", 44),
        (">=44", ">= 44", 44),
        ("< 200k", "< 200000", 200_000),
        ("<= 1.5M", "<= 1500000", 1_500_000),
        ("= 2G", "= 2000000000", 2_000_000_000),
        ("> 43.5", "> 43.5", Fraction(87, 2)),
        ("< 0.0125k", "< 12.5", Fraction(25, 2)),
        ("< 64Ki", "< 65536", 65_536),
        ("< 0.5Mi", "< 524288", 524_288),
        ("  >  007 ", "> 7", 7),
    ],
)
def test_comparison(written: str, canonical: str, limit: Fraction) -> None:
    """k, M and G are decimal, Ki and Mi binary, decimals exact, and what the canonical form writes means the same."""
    (constraint,) = loads(f"{LAYERS}constraints: {{params: '{written}'}}").constraints.comparisons
    assert constraint.limit == limit
    form = loads(f"{LAYERS}constraints: {{params: '{written}'}}").canonical()["constraints"]
    assert form == {"params": canonical}
    assert parse_constraints(form, (), Problems()).comparisons == (constraint,)


def test_a_range() -> None:
    """Several comparisons of one measure stand in one text; each has its verdict."""
    spec = loads(f"{LAYERS}constraints: {{params: '> 100, < 1k'}}")
    assert spec.canonical()["constraints"] == {"params": "> 100, < 1000"}
    assert [str(verdict) for verdict in check(spec)] == ["params: needs < 1,000, has 1,416"]


@pytest.mark.parametrize(
    "text",
    ["", ">", "44", "> 44,", "> 44 45", "> -1", "> 1e3", "> 44K", "> 4_4", "> ٤٤", "=> 4", "> 44; < 3", "> 1.", "> .5"],
)
def test_no_comparison(text: str) -> None:
    """Anything else is refused."""
    problems = Problems()
    parse_constraints({"params": text}, ("constraints",), problems)
    assert [problem.message.split(" such as")[0] for problem in problems.all()] == ["needs a comparison in quotes"]


@pytest.mark.parametrize(
    ("relation", "below", "at", "above"),
    [
        (">", False, False, True),
        (">=", False, True, True),
        ("<", True, False, False),
        ("<=", True, True, False),
        ("=", False, True, False),
    ],
)
def test_relations(relation: str, below: bool, at: bool, above: bool) -> None:
    """At the limit itself the five differ; no number (None) satisfies none of them."""
    constraint = Constraint("params", relation, Fraction(44))
    assert [constraint.holds(value) for value in (43, 44, 45, None)] == [below, at, above, False]


# 3x3 on 3 -> 8 at 32x32, then 3x3 stride 2 on 8 -> 16 at 16x16
MEASURED = {
    "receptive_field": 5,
    "params": 3 * 8 * 9 + 16 + 8 * 16 * 9 + 32,
    "macs": 32 * 32 * 3 * 8 * 9 + 16 * 16 * 8 * 16 * 9,
    "memory": 4 * 2 * 8 * 32 * 32,  # norm's input and output
    "weight_bytes": 4 * (1416 + 2 * 8 + 2 * 16) + 2 * 8,  # with running statistics, and two counters of 8 bytes
    "feature_size": 16,
    "entropy": 7.573,  # log(3 * 9) + log(8 * 9) = 3.296 + 4.277
    "map_entropy": 62.990443,  # times log(16 * 16 * 16) = 8.3178
    "effectiveness": 0.045,  # 2 / sqrt(27 * 72)
    "depth": 2,
    "narrowest_map": 8,
    "effective_field": 5,  # 1, 2, 3, 2, 1 of 9 paths: the three in the middle hold 7/9
    # 1,368 weights, 24 biases in int32, a scale and a zero point (12 bytes) for each of both and of 4 tensors
    "flash": 1_368 + 24 * (4 + 12 + 12) + 4 * 12,
    "sram.live": 8 * 32 * 32 + 8 * 33 * 33 + 8,  # padded by an operator of its own before the strided window
    "sram.ordered": 8 * 32 * 32 + 8 * 33 * 33 + 8,
    "sram.tflm": 8 * 32 * 32 + 8 * 33 * 33 + 8,  # 8,712 bytes are 8,720 in steps of 16
    "sram.planned": 8 * 32 * 32 + 8 * 33 * 33 + 8,
}


@pytest.mark.parametrize("name", sorted(set(MEASURES) - {"sram.patched", "latency_ms"}))
def test_measures(name: str) -> None:
    """Every measure compares the number that a hand works out."""
    value = MEASURED[name]
    group, _, kind = name.partition(".")
    written = f"{{{group}: {{{kind}: '# {value}'}}}}" if kind else f"{{{name}: '# {value}'}}"
    assert broken(written.replace("#", "=")) == []
    assert broken(written.replace("#", ">")) == [f"{name}: needs > {value:,}, has {value:,}"]


def test_patched() -> None:
    """Image, map, and a patch of 2x2 units with the 5x5 and 7x7 that it reads; no number where patches do not help."""
    size = 3 * 32 * 32 + 16 * 16 * 16 + 16 * 10 + 8 * 5 * 5 + 8  # 147 and 200 bytes in steps of 16
    with_head = LAYERS + "head: {classes: 4}\n"
    assert broken(f"{{sram: {{patched: '= {size}'}}}}", with_head) == []
    unknown = "no proven number (patches would not need less than the network as a whole)"
    assert broken("{sram: {patched: '< 64Ki'}}") == [f"sram.patched: needs < 65,536, has {unknown}"]


def test_the_smaller_axis() -> None:
    """`receptive_field` and `feature_size` are of the smaller axis."""
    layers = "input: [3, 8, 32]\nlayers: [{conv: {out: 8, kernel: [7, 3]}}]\n"
    assert broken("{receptive_field: '= 3', feature_size: '= 8'}", layers) == []


def test_a_number_that_is_not_proven() -> None:
    """A field without a proven number satisfies no constraint, whichever way it points."""
    layers = LAYERS.replace("]}\n", "").replace(
        "{strided: {out: 16}}]",
        "{resize: {size: 61}}, {conv: {out: 8, kernel: 2, padding: 0}}, {resize: {size: 59}}, "
        "{conv: {out: 8, kernel: 2, padding: 0}}, {resize: {size: 53}}]",
    )
    assert analyze(loads(layers)).features.status == "unknown"
    for needs in ("> 1", "< 1,000"):
        assert broken(f"{{receptive_field: '{needs.replace(',', '')}'}}", layers) == [
            f"receptive_field: needs {needs}, has no proven number (unknown)"
        ]


def test_whole_input_is_proven() -> None:
    """Behind a squeeze-excite the local field still counts."""
    assert (
        broken("{receptive_field: '= 3'}", "input: [3, 8, 8]\nlayers: [{conv: {out: 8}}, {squeeze_excite: }]\n") == []
    )


def test_uses_and_forbids() -> None:
    """Both name properties of the layer graph; what is forbidden is shown with its layers."""
    assert broken("{uses: [batch_norm, dilated], forbids: [max_pool, strided]}") == [
        "uses: needs dilated, has none",
        "forbids: needs no strided, has conv2.conv",
    ]
    many = "input: [3, 8, 8]\nlayers: [{conv: {out: 8}, repeat: 5}]\n"
    (verdict,) = broken("{forbids: [batch_norm]}", many)
    assert verdict.endswith("has conv1.0.norm, conv1.1.norm, conv1.2.norm ...")


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_can_be_named(name: str) -> None:
    """The closed list is open to both."""
    problems = Problems()
    found = parse_constraints({"uses": [name, name]}, (), problems)
    assert (found.uses, problems.all()) == ((name,), [])


def test_seed_network_holds() -> None:
    """C1C2C3C40 keeps what it promises, each verdict in the order of the spec."""
    spec = load("c1c2c3c40")
    assert check(spec) == []
    assert [str(verdict) for verdict in evaluate_constraints(spec.constraints, analyze(spec))] == [
        "receptive_field: needs > 44, has 47",
        "params: needs < 200,000, has 178,178",
        "uses: needs depthwise_separable, has depthwise_separable",
        "uses: needs dilated, has dilated",
        "uses: needs global_pool, has global_pool",
        "forbids: needs no max_pool, has none",
    ]


def test_check_takes_what_load_takes() -> None:
    """A name, data or a spec."""
    data: dict[str, Any] = load("c1c2c3c40").to_dict()
    assert check("c1c2c3c40") == check(data) == []
    data["constraints"]["params"] = "< 1k"
    assert [verdict.has for verdict in check(data)] == ["178,178"]


def test_ram_of_an_engine() -> None:
    """`sram` names the kind of RAM; the canonical form writes bytes, and means the same."""
    spec = loads(f"{LAYERS}constraints: {{sram: {{tflm: '< 64Ki', live: '< 16Ki'}}, flash: '< 2Ki'}}")
    form = spec.canonical()["constraints"]
    assert form == {"flash": "< 2048", "sram": {"live": "< 16384", "tflm": "< 65536"}}
    assert loads(f"{LAYERS}constraints: {form}").canonical()["constraints"] == form
    assert [str(verdict) for verdict in check(spec)] == [
        "sram.live: needs < 16,384, has 16,912",
        "flash: needs < 2,048, has 2,088",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{sram: '< 64Ki'}", "needs a mapping of live, ordered, tflm, planned, patched to comparisons"),
        ("{sram: {}}", "needs a mapping of live, ordered, tflm, planned, patched to comparisons"),
        ("{sram: {tfml: '< 64Ki'}}", "unknown kind of RAM. Did you mean 'tflm'?"),
        ("{sram: {tflm: 65536}}", 'Add a comparison: "< 65536"'),
        ("{sram.tflm: '< 64Ki'}", "unknown constraint"),
    ],
)
def test_wrong_ram(text: str, message: str) -> None:
    """What is wrong with it is told."""
    with pytest.raises(SpecError, match=re.escape(message)):
        loads(f"{LAYERS}constraints: {text}")


def test_an_engine_that_cannot_run_it() -> None:
    """No number, so no promise about it is kept; the layers that stand in the way are named."""
    layers = "input: [3, 8, 8]\nlayers: [{resize: {size: [12, 12]}}]\n"
    assert broken("{flash: '< 1M'}", layers) == [
        "flash: needs < 1,000,000, has no proven number (LiteRT-Micro cannot run this network: "
        "resize1 (nearest resizing of this kind))"
    ]
