"""Whole spec documents, with any block and layer of the library."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from strategies.changers import changer, repeated
from strategies.keepers import USER_BLOCKS, conv, keeper, name_of
from strategies.settings import MAX_CHANNELS, At, Draw, Item, Pair, style

INPUTS: tuple[Pair, ...] = ((33, 47), (32, 32), (16, 24), (17, 13), (24, 21), (47, 33))
POOLS = ("avg", "max", "avgmax", "catavgmax")


@st.composite
def specs(draw: Draw, max_items: int = 5) -> dict[str, Any]:
    """A spec document, as plain data, with any block and layer of the library; it loads."""
    at = At(draw(st.integers(1, 4)), draw(st.sampled_from(INPUTS)))
    document: dict[str, Any] = {"schema": 1, "name": "drawn", "input": [at.channels, *at.size]}
    if draw(st.booleans()):
        document["defaults"] = style(draw, "act", "norm", "order")
    document["blocks"] = USER_BLOCKS
    items: list[Item] = []
    ends: list[At] = [at]  # of the input and of each item
    for _ in range(draw(st.integers(1, max_items))):
        if len(items) > 1 and draw(st.integers(0, 2)) == 0:
            more, at = _joined(draw, items, ends)
        elif draw(st.integers(0, 4)) == 0:
            item, at = repeated(draw, at)
            more = [item]
        elif draw(st.booleans()):
            item, at = changer(draw, at)
            more = [item]
        else:
            more, at = keeper(draw, at, 0)
        items += more
        ends += [at.moved((0, 0), (Fraction(0), Fraction(0)))] * (len(more) - 1) + [at]
        if at.channels > 4 * MAX_CHANNELS:
            items.append({"conv": {"out": 4, "kernel": 1}})
            at = replace(at, channels=4)
            ends.append(at)
    if draw(st.integers(0, 3)) == 0:
        draw(st.sampled_from(items))["tap"] = True
    _tap_unread(items)
    _finish(draw, document, items, at)
    _parametrize(draw, document, items)
    document["layers"] = items
    return document


def _joined(draw: Draw, items: list[Item], ends: list[At]) -> tuple[list[Item], At]:
    """An item that reads others than the one before it: a merge of two that fit, or a branch of its own."""
    numbers = [n for n, end in enumerate(ends) if end.size[0] and not end.placeless]  # known ends
    pairs = [(a, b) for a in numbers for b in numbers if a < b and ends[a].meets(ends[b])]
    equal = [(a, b) for a, b in pairs if ends[a].channels == ends[b].channels]
    if pairs and draw(st.integers(0, 3)):
        if equal and draw(st.booleans()):
            sources = draw(st.sampled_from(equal))
            kind, after = draw(st.sampled_from(["add", "multiply"])), ends[sources[0]]
        else:
            sources = draw(st.sampled_from(pairs))
            kind, after = "concat", replace(ends[sources[0]], channels=sum(ends[n].channels for n in sources))
        return [{kind: {}, "from": [name_of(items, n) for n in sources]}], after
    source = draw(st.sampled_from(numbers or [0]))
    item, after = conv(draw, ends[source])
    return [{**item, "from": name_of(items, source)}], after


def _tap_unread(items: list[Item]) -> None:
    """What no other item reads is a feature level on purpose."""
    ids = {item["id"]: number for number, item in enumerate(items) if "id" in item}
    read: set[int | None] = set()
    for number, item in enumerate(items):
        sources = item.get("from", [])
        read.update(ids.get(name) for name in ([sources] if isinstance(sources, str) else sources))
        read.update([] if "from" in item else [number - 1])
    for number, item in enumerate(items[:-1]):
        if number not in read:
            item["tap"] = True


def _parametrize(draw: Draw, document: dict[str, Any], items: list[Item]) -> None:
    """A width or two as parameters of the spec, alone or in an expression."""
    widths = [
        settings
        for item in items
        for settings in item.values()
        if isinstance(settings, dict) and isinstance(settings.get("out"), int)
    ]
    if not widths or draw(st.integers(0, 3)):
        return
    document["params"] = {}
    for number, settings in enumerate(draw(st.lists(st.sampled_from(widths), min_size=1, max_size=2, unique_by=id))):
        name, out = f"w{number}", settings["out"]
        forms = [("${0}", out), ("2*${0}", out / 2), ("(${0} + 3) / 2", 2 * out - 3), ("max(1, ${0})", out)]
        forms += [("round_to(${0}, 4)", out)] if out % 4 == 0 else []
        form, value = draw(st.sampled_from(forms))
        settings["out"], document["params"][name] = form.format(name), value


def _body(draw: Draw, at: At) -> Item:
    """A head's body behind the pooling, or in its place."""
    act = {"act": {"type": draw(st.sampled_from(["tanh", "hardswish"]))}}
    if draw(st.booleans()):
        return {"pool": draw(st.sampled_from(POOLS)), "body": [{"linear": {"out": 6}}, act, {"dropout": {}}]}
    if draw(st.booleans()):
        flat = [
            {"adaptive_pool": {"type": "avg", "size": [2, 1]}},
            {"flatten": {}},
            {"linear": {"out": 5}, "repeat": 2},
        ]
        return {"pool": "none", "body": [*flat, act]}
    return {"pool": "none", "body": [{"conv": {"out": 4, "kernel": 1}}]}


def _finish(draw: Draw, document: dict[str, Any], items: list[Item], at: At) -> None:
    """A head, or flat layers at the end, or neither."""
    ending = draw(st.sampled_from(["head", "head", "head with a body", "map", "flat", "pooled"]))
    if ending == "head":
        head = {"classes": draw(st.integers(0, 5)), "pool": draw(st.sampled_from(POOLS))}
        document["head"] = {**head, **style(draw, "dropout", "bias")}
    elif ending == "head with a body":
        document["head"] = {"classes": draw(st.integers(0, 5)), **_body(draw, at), **style(draw, "dropout", "bias")}
    elif ending == "flat":
        items += [{"flatten": {}}, {"linear": {"out": 3}}]
    elif ending == "pooled":
        items += [{"global_pool": {"type": draw(st.sampled_from(POOLS))}}, {"act": {}}]
