"""Items that keep the size of the map and the jump."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import gcd
from typing import Any

from hypothesis import strategies as st

from fieldspec.blocks.layers import FUNCTIONS
from strategies.settings import (
    MAX_SIZE,
    At,
    Draw,
    Item,
    Pair,
    acts,
    channels,
    groups_of,
    shortcut,
    squeezes,
    style,
    window,
)


def name_of(items: list[Item], number: int) -> str:
    """The id of the item with that output, 0 being the input; it gets one if it has none."""
    if number == 0:
        return "input"
    name: str = items[number - 1].setdefault("id", f"n{number}")
    return name


USER_BLOCKS: dict[str, Any] = {
    "ghost": {
        "params": {"own": None, "kernel": 3},
        "body": [
            {"conv": {"out": "$own", "kernel": 1}, "id": "primary"},
            {"conv": {"out": "$own", "kernel": "$kernel"}, "id": "cheap"},
            {"concat": {}, "from": ["primary", "cheap"]},
        ],
    },
    "bottle": {
        "params": {"middle": None, "out": None, "act": "relu"},
        "body": [
            {"conv": {"out": "$middle", "kernel": 1, "act": "$act"}},
            {"conv": {"out": "$middle", "groups": "depthwise", "act": "$act"}, "repeat": 2},
            {"conv": {"out": "$out", "kernel": 1, "act": "none"}},
        ],
    },
}


def conv(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    """A convolution of any kernel, dilation and groups."""
    out = draw(channels()) if out is None else out
    settings: Item = {"out": out, **window(draw, stride=stride), **groups_of(draw, at.channels, out)}
    if out == at.channels and draw(st.booleans()):
        settings["out"] = "same"
    settings |= style(draw, "act", "norm", "order", "bias", "dropout")
    return {"conv": settings}, replace(at.strided(stride), channels=out)


def _depthwise_separable(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    out = draw(channels()) if out is None else out
    settings = {"out": out, **window(draw, stride=stride), **style(draw, "act", "norm", "order", "bias", "dropout")}
    settings |= {key: groups for key, groups in groups_of(draw, at.channels, out).items() if groups != "depthwise"}
    if draw(st.integers(0, 3)) == 0:
        settings["pointwise_act"] = draw(acts())
    return {"depthwise_separable": settings}, replace(at.strided(stride), channels=out)


def _inverted_residual(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    out = draw(st.sampled_from([at.channels, draw(channels())])) if out is None else out
    settings: Item = {"out": out, **window(draw, stride=stride)}
    if draw(st.booleans()):
        settings["expand"] = draw(channels())
        settings["groups"] = draw(st.sampled_from([1, gcd(at.channels, settings["expand"], out)]))
    else:
        settings["expand_ratio"] = draw(st.sampled_from([0.5, 1, 1.5, 2.0]))
    if draw(st.integers(0, 2)) == 0:
        settings["squeeze_excite"] = draw(squeezes())
    if draw(st.integers(0, 2)) == 0:
        settings["project_act"] = draw(acts())
    settings |= style(draw, "act", "norm", "order", "bias", "dropout") | shortcut(draw, at, out, stride)
    return {"inverted_residual": settings}, replace(at.strided(stride), channels=out)


def _residual(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    settings: Item = style(draw, "act", "norm")
    if stride == (1, 1) and draw(st.integers(0, 2)) == 0:
        body, after = _row(draw, at, out=out, depth=1)
        if after.placeless == at.placeless:
            return {"residual": {"body": body, **settings, **shortcut(draw, at, after.channels)}}, after
    out = draw(st.sampled_from([at.channels, draw(channels())])) if out is None else out
    settings |= {"out": out, "kernel": draw(st.sampled_from([1, 3, 5])), **style(draw, "order", "bias", "dropout")}
    settings |= shortcut(draw, at, out, stride)
    if draw(st.booleans()):
        settings["middle"] = draw(channels())
        settings |= groups_of(draw, settings["middle"], settings["middle"])
    else:
        settings |= groups_of(draw, at.channels, out)
    if draw(st.integers(0, 3)) == 0:
        settings["squeeze_excite"] = draw(squeezes())
    if draw(st.integers(0, 3)) == 0:
        settings["dilation"] = draw(st.integers(1, 3))
    if stride != (1, 1):
        settings["stride"] = list(stride)
    return {"residual": settings}, replace(at.strided(stride), channels=out)


def _dense(draw: Draw, at: At) -> tuple[Item, At]:
    growth, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    settings = {"growth": growth, "layers": layers, **style(draw, "act", "norm", "order", "bias", "dropout")}
    if draw(st.booleans()):
        settings["middle"] = draw(channels())
    if draw(st.booleans()):
        settings["kernel"] = draw(st.sampled_from([1, 3, 5]))
    return {"dense": settings}, replace(at, channels=at.channels + growth * layers)


def _pool(draw: Draw, at: At, *, stride: Pair = (1, 1)) -> tuple[Item, At]:
    kernel = (draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 3, 5])))
    settings: Item = {"kernel": list(kernel), "stride": list(stride), "padding": [(side - 1) // 2 for side in kernel]}
    kind = draw(st.sampled_from(["pool", "max_pool", "avg_pool"]))
    if kind == "pool":
        settings["type"] = draw(st.sampled_from(["max", "avg"]))
    covers = all(side - (side - 1) // 2 >= size for side, size in zip(kernel, at.size, strict=True))
    return {kind: settings}, replace(at.strided(stride), placeless=at.placeless or covers)


def pointwise(draw: Draw, at: At) -> tuple[Item, At]:
    """Layers that pass a map on as it is."""
    items: list[Item] = [
        {"act": {"type": draw(st.sampled_from([*FUNCTIONS, {"leaky_relu": 0.3}]))}},
        {"norm": {"type": draw(st.sampled_from(["batch", "layer", {"group": 1}, {"batch": {"momentum": 0.01}}]))}},
        {"norm": {"type": {"group": at.channels}}},
        {"dropout": {"p": draw(st.sampled_from([0.0, 0.3]))}},
        {"drop_path": {"p": draw(st.sampled_from([0.0, 0.3]))}},
        {"identity": {}},
        {"scale": draw(st.sampled_from([{}, {"init": 0.1}, {"factor": 0.5}]))},
        {"squeeze_excite": draw(st.sampled_from([{}, {"hidden": 2}, {"ratio": 0.5, "act": "silu"}]))},
    ]
    return draw(st.sampled_from(items)), at


def _slice(draw: Draw, at: At) -> tuple[Item, At]:
    start = draw(st.integers(0, at.channels - 1))
    stop = draw(st.sampled_from([None, draw(st.integers(start + 1, at.channels))]))
    settings: Item = {"start": start} if stop is None else {"start": start, "stop": stop}
    return {"slice": settings}, replace(at, channels=(at.channels if stop is None else stop) - start)


def _pad(draw: Draw, at: At) -> tuple[Item, At]:
    more = draw(st.sampled_from([1, 2, [0, 2], [1, 1], [2, 0]]))
    added = more if isinstance(more, int) else sum(more)
    return {"pad": {"channels": more}}, replace(at, channels=at.channels + added)


def _shuffle(draw: Draw, at: At) -> tuple[Item, At]:
    groups = draw(st.sampled_from([n for n in range(1, at.channels + 1) if at.channels % n == 0]))
    return {"shuffle": {"groups": groups}}, at


def _split(draw: Draw, at: At, depth: int) -> tuple[Item, At]:
    """Each half of the channels through a branch of its own; one may be the identity."""
    half = replace(at, channels=at.channels // 2)
    row, after = _row(draw, half, depth=depth + 1)
    rows, ends = draw(st.permutations([([], half), (row, after)])), half.channels + after.channels
    branches = [items for items, _ in rows]
    settings = {"merge": "concat", "split": True, "branches": branches}
    return {"parallel": settings}, replace(after, channels=ends)


def _user(draw: Draw, at: At) -> tuple[Item, At]:
    if draw(st.booleans()):
        own = draw(st.integers(1, 4))
        return {"ghost": {"own": own, **draw(st.sampled_from([{}, {"kernel": 5}]))}}, replace(at, channels=2 * own)
    out = draw(channels())
    settings = {"middle": draw(channels()), "out": out, **draw(st.sampled_from([{}, {"act": "none"}]))}
    return {"bottle": settings}, replace(at, channels=out)


def _back_and_forth(draw: Draw, at: At) -> tuple[list[Item], At]:
    """Up and down again, or patches to channels and back: the jump comes out as it went in."""
    if at.size[0] % 2 == at.size[1] % 2 == 0 and draw(st.booleans()):
        items: list[Item] = [{"space_to_depth": {"block": 2}}]
        there = replace(at.strided((2, 2)), channels=4 * at.channels)
        if draw(st.booleans()):
            item, there = conv(draw, there, out=4 * draw(st.integers(1, 2)))
            items.append(item)
        return [*items, {"depth_to_space": {"block": 2}}], replace(at, channels=there.channels // 4)
    if max(at.size) * 2 > MAX_SIZE or min(at.size) < 2:
        item, at = pointwise(draw, at)
        return [item], at
    kind = draw(st.sampled_from(["nearest", "bilinear", "transposed"]))
    if kind == "transposed":
        up: Item = {"conv_transpose": {"out": at.channels}}
    else:
        up = {"resize": {"scale": 2, "mode": kind}}
    doubled = at.moved((2 * at.size[0], 2 * at.size[1]), (Fraction(1, 2), Fraction(1, 2)))
    make = draw(st.sampled_from([conv, _pool]))
    item, at = make(draw, doubled, stride=(2, 2))
    return [up, item], at


def parallel(draw: Draw, at: At, depth: int, *, stride: Pair = (1, 1)) -> tuple[Item, At]:
    """Two branches or three, image pooling, strip pooling and gates among them."""
    merge = draw(st.sampled_from(["add", "concat", "multiply"]))
    count = draw(st.integers(2, 3))
    branches: list[list[Item]] = []
    ends: list[At] = []
    out = draw(st.sampled_from([at.channels, draw(channels())]))
    for number in range(count):
        identity_fits = stride == (1, 1) and (merge == "concat" or out == at.channels)
        if identity_fits and draw(st.integers(0, 3)) == 0:
            branch: list[Item] = []
            end = at
        elif number and stride == (1, 1) and not at.placeless and draw(st.integers(0, 5)) == 0:
            width = out if merge != "concat" else draw(channels())
            branch = [{"global_pool": {}}, {"conv": {"out": width, "kernel": 1, "norm": "none"}}]
            if merge == "concat" or draw(st.booleans()):  # image pooling; else a vector that is spread over the map
                mode = draw(st.sampled_from(["nearest", "bilinear"]))
                branch.append({"resize": {"size": list(at.size), "mode": mode}})
            end = replace(at, channels=width)
        elif number and stride == (1, 1) and merge != "concat" and not at.placeless and draw(st.integers(0, 5)) == 0:
            axis = draw(st.integers(0, 1))  # strip pooling: a mean over all rows, or all columns
            kernel = [at.size[0] if axis == 0 else 1, at.size[1] if axis == 1 else 1]
            branch, end = [{"avg_pool": {"kernel": kernel}}, {"conv": {"out": out, "kernel": 1}}], at
        else:
            width = 1 if number and merge != "concat" and draw(st.integers(0, 5)) == 0 else out  # a spatial gate
            branch, end = _row(draw, at, out=None if merge == "concat" else width, depth=depth + 1, stride=stride)
        branches.append(branch)
        ends.append(end)
    # the first branch is never an image pooling: it says what size and jump the others must have
    total = sum(end.channels for end in ends) if merge == "concat" else out
    return {"parallel": {"merge": merge, "branches": branches}}, replace(ends[0], channels=total)


STRIDABLE = (conv, _depthwise_separable, _inverted_residual, _residual)


def keeper(draw: Draw, at: At, depth: int) -> tuple[list[Item], At]:
    """An item or two that keep the size and the jump."""
    kinds = ["conv", "conv", "separable", "inverted", "pointwise", "pointwise", "dense", "pool", "user"]
    kinds += ["there and back", "slice", "shuffle", "pad"]
    if depth < 2:
        kinds += ["residual", "parallel", "parallel", "split", "chain"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "there and back":
            return _back_and_forth(draw, at)
        case "parallel":
            item, after = parallel(draw, at, depth)
        case "split" if at.channels % 2 == 0:
            item, after = _split(draw, at, depth)
        case "chain" | "split":
            body, after = _row(draw, at, depth=depth + 1)
            item = {"chain": {"body": body}}
        case _:
            make = {
                "conv": conv,
                "separable": _depthwise_separable,
                "inverted": _inverted_residual,
                "residual": _residual,
                "pointwise": pointwise,
                "dense": _dense,
                "pool": _pool,
                "slice": _slice,
                "shuffle": _shuffle,
                "pad": _pad,
                "user": _user,
            }[kind]
            item, after = make(draw, at)
    return [item], after


def _joined(draw: Draw, items: list[Item], ends: list[At]) -> At:
    """Merge what a row has come to with something above it that fits, or with a branch from there."""
    fitting = [number for number, end in enumerate(ends[:-1]) if end.meets(ends[-1])]
    if not fitting:
        return ends[-1]
    source, last = draw(st.sampled_from(fitting)), len(items)
    sources = [name_of(items, source), name_of(items, last)]
    kind, at = "concat", replace(ends[-1], channels=ends[source].channels + ends[-1].channels)
    if draw(st.booleans()):
        items.append({"conv": {"out": ends[-1].channels, "kernel": 1}, "from": sources[0]})
        sources[0] = name_of(items, len(items))
        kind, at = draw(st.sampled_from(["add", "multiply"])), ends[-1]
        ends.append(at)
    items.append({kind: {}, "from": draw(st.permutations(sources))})
    ends.append(at)
    return at


def _row(draw: Draw, at: At, *, out: int | None = None, depth: int, stride: Pair = (1, 1)) -> tuple[list[Item], At]:
    """A branch: some items at size and jump of the input (divided by `stride`), ending in `out` channels."""
    items: list[Item] = []
    ends = [at]  # of the input and of each item
    if stride != (1, 1):
        make = draw(st.sampled_from([*STRIDABLE, _pool]))
        item, at = make(draw, at, stride=stride)
        items.append(item)
        ends.append(at)
    for _ in range(draw(st.integers(0 if items else 1, 2))):
        more, at = keeper(draw, at, depth)
        items += more
        ends += [at.moved((0, 0), (Fraction(0), Fraction(0)))] * (len(more) - 1) + [at]
        if draw(st.integers(0, 3)) == 0:
            at = _joined(draw, items, ends)
    if out is not None and at.channels != out:
        items.append({"conv": {"out": out, "kernel": 1}})
        at = replace(at, channels=out)
    if len(items) == 1 and draw(st.integers(0, 5)) == 0 and "parallel" not in items[0]:
        items[0] = {**items[0], "id": "inner"}
    return items, at
