"""Open specs at random, and what looking at every candidate says of one."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

from hypothesis import strategies as st

from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open, names_in
from fieldspec.search.exact.exact import ExactSearch
from fieldspec.search.exact.fronts import front_of
from fieldspec.search.space.blocks import total
from fieldspec.search.space.candidates import measure
from fieldspec.search.space.measures import wholes
from fieldspec.search.space.series import StageSeries

Item = dict[str, Any]
NUMBERS = (
    "params",
    "macs",
    "memory",
    "weight_bytes",
    "feature_size",
    "receptive_field",
    "entropy",
    "depth",
    "narrowest_map",
)
PROPERTIES = ("depthwise_separable", "dilated", "max_pool", "add", "strided", "global_pool")


@st.composite
def spaces(draw: st.DrawFn, most: int = 60) -> OpenSpec:
    """An open spec of a few items in series, with at most so many candidates; some share a parameter."""
    shared = draw(st.booleans())
    width: Any = "$width" if shared else 8
    layers = [draw(items(width)) for _ in range(draw(st.integers(2, 4)))]
    data: Item = {"name": "drawn", "input": [3, 14, draw(st.sampled_from((14, 11)))], "layers": layers}
    if shared:
        data["params"] = {"width": {"choice": [6, 8]}}
    if shared or all(one in ("$extra", {"squeeze_excite": "$gate"}) for one in layers):
        layers[0] = {"conv": {"out": width}}
    extra = {"conv": {"out": 6, "kernel": 3}}
    open_ends = {
        "gate": {"choice": [{"default": None}, {"ratio": 0.5}]},
        "extra": {"choice": [extra, {"default": None}]},
    }
    used = names_in(layers)
    data["params"] = {name: value for name, value in {**data.get("params", {}), **open_ends}.items() if name in used}
    if draw(st.booleans()):
        data["head"] = {"classes": 4, "pool": {"choice": ["avg", "catavgmax"]}}
    data["constraints"] = draw(constraints())
    spec = load_open(data)
    while spec.space > most:  # the largest domain gives way to its first value
        domain = max(spec.domains, key=lambda one: len(one.values))
        spec = load_open(spec.to_dict(), **{domain.name: domain.values[-1]})
    return spec


@st.composite
def items(draw: st.DrawFn, width: Any) -> Item | str:
    """One item with domains in it, of a kind that is hard in its own way."""
    kernel = {"choice": [1, 3]}
    out = draw(st.sampled_from([{"choice": [4, 6]}, {"range": [4, 8, 4]}, width]))
    twice, third = {"choice": [1, 2]}, {"conv": {"out": out}}
    joined = {"concat": {}, "from": ["input", "conv2", "a"]}
    kinds: list[Item | str] = [
        {"conv": {"out": out, "kernel": kernel, "stride": {"choice": [1, 2]}}},
        {"conv": {"out": out, "kernel": 3, "dilation": {"choice": [1, 2]}, "padding": {"choice": [0, 2]}}},
        {"conv": {"out": width, "kernel": 3, "groups": {"choice": [1, 2, 4]}}, "repeat": {"range": [1, 2, 1]}},
        {"inverted_residual": {"expand": {"choice": [8, 12]}, "out": out, "kernel": kernel}, "repeat": twice},
        {"depthwise_separable": {"out": out, "stride": {"choice": [1, 2]}}},
        {"conv": {"out": 8, "kernel": 3, "groups": 8}},
        {"conv": {"out": out, "kernel": 1}},
        {"choice": [{"max_pool": {"kernel": 2}}, {"conv": {"out": out, "kernel": 2, "stride": 2}}, {"identity": {}}]},
        {"choice": [{"avg_pool": {"kernel": 3, "stride": 1}}, {"resize": {"scale": 2}}]},
        {"residual": {"out": out, "shortcut": {"choice": ["auto", "projection"]}}},
        {"squeeze_excite": {"ratio": {"choice": [0.25, 0.5]}}},
        {"parallel": {"merge": "concat", "branches": [[{"conv": {"out": 4, "kernel": kernel}}], [third]]}},
        {"parallel": {"merge": "add", "branches": [[], [{"conv": {"out": width, "kernel": {"choice": [1, 5]}}}]]}},
        {"conv": {"out": width, "kernel": [3, {"choice": [1, 3]}], "padding": "same"}},
        {"inverted_residual": {"expand": 8, "out": 8, "squeeze_excite": "$gate"}},
        {"squeeze_excite": "$gate"},
        "$extra",
        {"chain": {"body": [{**third, "id": "a"}, {"conv": {"out": 4, "kernel": kernel}}, joined]}},
    ]  # fmt: skip
    return draw(st.sampled_from(kinds))


@st.composite
def constraints(draw: st.DrawFn) -> Item:
    """Some that part of the candidates keep."""
    limits = {
        "params": ("< 600", "< 2k", "> 300, < 3k"),
        "macs": ("< 200k", "< 60k"),
        "receptive_field": ("> 4", "> 6", "< 9", "> 3, < 12"),
        "memory": ("< 16k", "< 9k"),
        "feature_size": (">= 7", "< 14"),
        "entropy": ("> 5.5", "<= 10.3", "> 4, < 12.25"),
        "depth": ("> 2", "<= 3"),
        "map_entropy": ("> 40", "<= 60.5", "> 30, < 70"),
        "effectiveness": ("< 0.3", ">= 0.25", "> 0.1, < 0.4"),
        "narrowest_map": (">= 6", "< 8", "> 3, <= 6"),
    }
    names = draw(st.lists(st.sampled_from(sorted(limits)), max_size=3, unique=True))
    found: Item = {name: draw(st.sampled_from(limits[name])) for name in names}
    words: list[str] = draw(st.lists(st.sampled_from(PROPERTIES), max_size=2, unique=True))
    used = draw(st.integers(0, len(words)))
    if words[:used]:
        found["uses"] = words[:used]
    return found | ({"forbids": words[used:]} if words[used:] else {})


@st.composite
def objectives(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One to three measures, each to be made small or large; often two that add up, for which there is a bound."""
    if draw(st.booleans()):
        return ("params",), (
            draw(st.sampled_from(("receptive_field", "macs", "weight_bytes", "entropy", "map_entropy"))),
        )
    names = draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True))
    large = [draw(st.booleans()) for _ in names]
    return (
        tuple([name for name, more in zip(names, large, strict=True) if not more]),
        tuple([name for name, more in zip(names, large, strict=True) if more]),
    )


@dataclass
class Seen:
    """What looking at every candidate found."""

    networks: int = 0
    feasible: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    front: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = field(default_factory=dict)  # the first of them, ties


def searched(spec: OpenSpec, minimize: tuple[str, ...], maximize: tuple[str, ...]) -> Seen:
    """What the exact search says, also of a family that it would be no faster for."""
    search = ExactSearch(spec, minimize, maximize, lambda *_: None)
    found = total(search.blocks())
    front = front_of(found.front, search.signs.tolist())
    excluded = {words: count or 0 for words, count in found.excluded.items() if count != 0}
    return Seen(
        found.valid or 0,
        found.feasible or 0,
        excluded,
        {one.objectives: (one.numbers, one.ties or 0) for one in front},
    )


def brute_force(spec: OpenSpec, minimize: tuple[str, ...], maximize: tuple[str, ...]) -> Seen:
    """Every candidate by its own report, in the order of the parts of a series."""
    series = StageSeries(spec)
    order = [*series.shared, *[number for stage in series.stages for number in stage.domains]]
    names = (*minimize, *maximize)
    seen = Seen()
    found: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for values in product(*[range(len(spec.domains[number].values)) for number in order]):
        by_number = dict(zip(order, values, strict=True))
        numbers = tuple([by_number[number] for number in range(len(order))])
        candidate = measure(spec, numbers, names)
        if candidate is None:
            continue
        seen.networks += 1
        for words in candidate.broken:
            seen.excluded[words] = seen.excluded.get(words, 0) + 1
        if not candidate.broken:
            seen.feasible += 1
            told = wholes(candidate.measures, names)
            if told is not None:
                found.setdefault(told, []).append(numbers)
    signs = [1] * len(minimize) + [-1] * len(maximize)
    for told, own in found.items():
        if not any(_beats(other, told, signs) for other in found):
            seen.front[told] = (own[0], len(own))
    return seen


def _beats(one: tuple[int, ...], other: tuple[int, ...], signs: list[int]) -> bool:
    pairs = list(zip(signs, one, other, strict=True))
    return one != other and all(sign * mine <= sign * theirs for sign, mine, theirs in pairs)
