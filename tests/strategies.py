"""Hypothesis strategies for whole spec documents: every one of them loads.

They are built constructively: each step knows where it has come to (channels, map size, jump), so that branches
which meet have equal shapes and jumps by construction and hardly a draw is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st

from fieldspec.blocks.layers import FUNCTIONS

Item = dict[str, Any]
Pair = tuple[int, int]
Draw = Callable[..., Any]

INPUTS: tuple[Pair, ...] = ((33, 47), (32, 32), (16, 24), (17, 13), (24, 21), (47, 33))
POOLS = ("avg", "max", "avgmax", "catavgmax")
MAX_CHANNELS = 10
MAX_SIZE = 64  # pixels of any map
MAX_JUMP = 8  # a window at jump 8 already needs an input of some hundred pixels to be measured

USER_BLOCKS: dict[str, Any] = {
    "ghost": {
        "params": {"own": None, "kernel": 3},
        "body": [
            {"conv": {"out": "$own", "kernel": 1}},
            {"parallel": {"merge": "concat", "branches": [[], [{"conv": {"out": "$own", "kernel": "$kernel"}}]]}},
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


@dataclass(frozen=True)
class At:
    """Where a row of items has come to."""

    channels: int
    size: Pair
    jump: tuple[Fraction, Fraction] = (Fraction(1), Fraction(1))
    placeless: bool = False  # pooled over the whole map

    def strided(self, stride: Pair) -> At:
        """Behind a window whose padding makes the map ``ceil(size / stride)``."""
        height, width = (-(-size // step) for size, step in zip(self.size, stride, strict=True))
        return self.moved((height, width), (Fraction(stride[0]), Fraction(stride[1])))

    def moved(self, size: Pair, by: tuple[Fraction, Fraction]) -> At:
        """On a map of another size, `by` input units a step."""
        return replace(self, size=size, jump=(self.jump[0] * by[0], self.jump[1] * by[1]))

    def meets(self, other: At) -> bool:
        """Whether units of both lie on each other."""
        return self.size == other.size and self.jump == other.jump and not self.placeless and not other.placeless


# -- settings ------------------------------------------------------------------------------------------------


def channels() -> st.SearchStrategy[int]:
    """A width that keeps tests fast."""
    return st.integers(1, MAX_CHANNELS)


def _acts() -> st.SearchStrategy[str]:
    return st.sampled_from([*FUNCTIONS, "none"])


def _norms() -> st.SearchStrategy[Any]:
    return st.sampled_from(["batch", "batch", "layer", "none", {"group": 1}])


def _orders() -> st.SearchStrategy[list[str]]:
    return st.permutations(["conv", "norm", "act"])


def _size(draw: Draw, numbers: st.SearchStrategy[int]) -> int | list[int]:
    """One number for both axes, or one for each."""
    value: int = draw(numbers)
    return value if draw(st.booleans()) else [value, draw(numbers)]


def _pair(value: int | list[int]) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _style(draw: Draw, *names: str) -> Item:
    """Some of the settings that say nothing about shape."""
    choices: dict[str, st.SearchStrategy[Any]] = {
        "act": _acts(),
        "norm": _norms(),
        "order": _orders(),
        "bias": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.1]),
        "drop_path": st.sampled_from([0.0, 0.2]),
    }
    return {name: draw(choices[name]) for name in names if draw(st.integers(0, 3)) == 0}


def _shortcut(draw: Draw) -> Item:
    """A kind of shortcut, and what drops the body beside one."""
    kind = draw(st.sampled_from([None, None, "auto", "identity", "projection", "none"]))
    settings = {} if kind is None else {"shortcut": kind}
    return settings if kind == "none" else settings | _style(draw, "drop_path")


def _window(draw: Draw, *, stride: Pair = (1, 1)) -> Item:
    """Kernel, dilation and padding of a window that gives ``ceil(size / stride)`` units."""
    kernel = _size(draw, st.integers(1, 5))
    dilation = _size(draw, st.integers(1, 3)) if draw(st.booleans()) else 1
    totals = [d * (k - 1) for k, d in zip(_pair(kernel), _pair(dilation), strict=True)]
    settings: Item = {"kernel": kernel}
    if dilation != 1 or draw(st.booleans()):
        settings["dilation"] = dilation
    if stride != (1, 1):
        settings["stride"] = list(stride)
    kind = draw(st.sampled_from(["same", "default", "default", "sides"]))
    if kind == "sides":
        before = [draw(st.integers(0, total)) for total in totals]
        settings["padding"] = [[side, total - side] for side, total in zip(before, totals, strict=True)]
    elif kind == "same" or any(total % 2 for total in totals):
        settings["padding"] = "same"
    return settings


def _groups(draw: Draw, in_channels: int, out: int) -> Item:
    common = [number for number in range(1, in_channels + 1) if in_channels % number == out % number == 0]
    choices: list[Any] = [None, None, *common]
    if out % in_channels == 0:
        choices.append("depthwise")
    groups = draw(st.sampled_from(choices))
    return {} if groups is None else {"groups": groups}


# -- items that keep size and jump ------------------------------------------------------------------------------


def _conv(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    out = draw(channels()) if out is None else out
    settings = {"out": out, **_window(draw, stride=stride), **_groups(draw, at.channels, out)}
    settings |= _style(draw, "act", "norm", "order", "bias", "dropout")
    return {"conv": settings}, replace(at.strided(stride), channels=out)


def _depthwise_separable(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    out = draw(channels()) if out is None else out
    settings = {"out": out, **_window(draw, stride=stride), **_style(draw, "act", "norm", "order", "dropout")}
    if draw(st.integers(0, 3)) == 0:
        settings["pointwise_act"] = draw(_acts())
    return {"depthwise_separable": settings}, replace(at.strided(stride), channels=out)


def _inverted_residual(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    out = draw(st.sampled_from([at.channels, draw(channels())])) if out is None else out
    settings: Item = {"out": out, **_window(draw, stride=stride)}
    if draw(st.booleans()):
        settings["expand"] = draw(channels())
    else:
        settings["expand_ratio"] = draw(st.sampled_from([0.5, 1, 1.5, 2.0]))
    if draw(st.integers(0, 2)) == 0:
        settings["squeeze_ratio"] = draw(st.sampled_from([0.25, 1.0]))
    if draw(st.integers(0, 2)) == 0:
        settings["project_act"] = draw(_acts())
    settings |= _style(draw, "act", "norm", "order", "dropout") | _shortcut(draw)
    return {"inverted_residual": settings}, replace(at.strided(stride), channels=out)


def _residual(draw: Draw, at: At, *, out: int | None = None, stride: Pair = (1, 1)) -> tuple[Item, At]:
    settings: Item = _style(draw, "act", "norm") | _shortcut(draw)
    if stride == (1, 1) and draw(st.integers(0, 2)) == 0:
        body, after = _row(draw, at, out=out, depth=1)
        if after.placeless == at.placeless:
            return {"residual": {"body": body, **settings}}, after
    out = draw(st.sampled_from([at.channels, draw(channels())])) if out is None else out
    settings |= {"out": out, "kernel": draw(st.sampled_from([1, 3, 5])), **_style(draw, "order", "dropout")}
    if draw(st.booleans()):
        settings["middle"] = draw(channels())
    if draw(st.integers(0, 3)) == 0:
        settings["dilation"] = draw(st.integers(1, 3))
    if stride != (1, 1):
        settings["stride"] = list(stride)
    return {"residual": settings}, replace(at.strided(stride), channels=out)


def _dense(draw: Draw, at: At) -> tuple[Item, At]:
    growth, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    settings = {"growth": growth, "layers": layers, **_style(draw, "act", "norm", "order", "dropout")}
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


def _pointwise(draw: Draw, at: At) -> tuple[Item, At]:
    """Layers that pass a map on as it is."""
    items: list[Item] = [
        {"act": {"type": draw(st.sampled_from(FUNCTIONS))}},
        {"norm": {"type": draw(st.sampled_from(["batch", "layer", {"group": 1}]))}},
        {"norm": {"type": {"group": at.channels}}},
        {"dropout": {"p": draw(st.sampled_from([0.0, 0.3]))}},
        {"drop_path": {"p": draw(st.sampled_from([0.0, 0.3]))}},
        {"identity": {}},
        {"squeeze_excite": draw(st.sampled_from([{}, {"hidden": 2}, {"ratio": 0.5, "act": "silu"}]))},
    ]
    return draw(st.sampled_from(items)), at


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
            item, there = _conv(draw, there, out=4 * draw(st.integers(1, 2)))
            items.append(item)
        return [*items, {"depth_to_space": {"block": 2}}], replace(at, channels=there.channels // 4)
    if max(at.size) * 2 > MAX_SIZE or min(at.size) < 2:
        item, at = _pointwise(draw, at)
        return [item], at
    kind = draw(st.sampled_from(["nearest", "bilinear", "transposed"]))
    if kind == "transposed":
        up: Item = {"conv_transpose": {"out": at.channels}}
    else:
        up = {"resize": {"scale": 2, "mode": kind}}
    doubled = at.moved((2 * at.size[0], 2 * at.size[1]), (Fraction(1, 2), Fraction(1, 2)))
    make = draw(st.sampled_from([_conv, _pool]))
    item, at = make(draw, doubled, stride=(2, 2))
    return [up, item], at


def _parallel(draw: Draw, at: At, depth: int, *, stride: Pair = (1, 1)) -> tuple[Item, At]:
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


STRIDABLE = (_conv, _depthwise_separable, _inverted_residual, _residual)


def _keeper(draw: Draw, at: At, depth: int) -> tuple[list[Item], At]:
    """An item or two that keep the size and the jump."""
    kinds = ["conv", "conv", "separable", "inverted", "pointwise", "pointwise", "dense", "pool", "user"]
    kinds += ["there and back"]
    if depth < 2:
        kinds += ["residual", "parallel", "parallel", "chain"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "there and back":
            return _back_and_forth(draw, at)
        case "parallel":
            item, after = _parallel(draw, at, depth)
        case "chain":
            body, after = _row(draw, at, depth=depth + 1)
            item = {"chain": {"body": body}}
        case _:
            make = {
                "conv": _conv,
                "separable": _depthwise_separable,
                "inverted": _inverted_residual,
                "residual": _residual,
                "pointwise": _pointwise,
                "dense": _dense,
                "pool": _pool,
                "user": _user,
            }[kind]
            item, after = make(draw, at)
    return [item], after


def _row(draw: Draw, at: At, *, out: int | None = None, depth: int, stride: Pair = (1, 1)) -> tuple[list[Item], At]:
    """A branch: some items at size and jump of the input (divided by `stride`), ending in `out` channels."""
    items: list[Item] = []
    if stride != (1, 1):
        make = draw(st.sampled_from([*STRIDABLE, _pool]))
        item, at = make(draw, at, stride=stride)
        items.append(item)
    for _ in range(draw(st.integers(0 if items else 1, 2))):
        more, at = _keeper(draw, at, depth)
        items += more
    if out is not None and at.channels != out:
        items.append({"conv": {"out": out, "kernel": 1}})
        at = replace(at, channels=out)
    if len(items) == 1 and draw(st.integers(0, 5)) == 0 and "parallel" not in items[0]:
        items[0] = {**items[0], "id": "inner"}
    return items, at


# -- items that change size or jump ----------------------------------------------------------------------------


def _strided(draw: Draw, at: At) -> tuple[Item, At]:
    """A strided block with the padding that gives ``ceil(size / stride)``."""
    stride = _pair(_size(draw, st.integers(1, 3)))
    if draw(st.integers(0, 3)) == 0:
        return _parallel(draw, at, 1, stride=stride)
    item, after = draw(st.sampled_from(STRIDABLE))(draw, at, stride=stride)
    return item, after


def _any_conv(draw: Draw, at: At) -> tuple[Item, At]:
    """A convolution with any stride and any padding per side that leaves something."""
    kernel = [draw(st.integers(1, 5)) for _ in range(2)]
    dilation = [draw(st.integers(1, 3)) for _ in range(2)]
    stride = [draw(st.integers(1, 4)) for _ in range(2)]
    padding = [[draw(st.integers(0, 3)), draw(st.integers(0, 3))] for _ in range(2)]
    size = []
    for axis in range(2):
        reach = dilation[axis] * (kernel[axis] - 1) + 1
        if at.size[axis] + sum(padding[axis]) < reach:
            kernel[axis], padding[axis], reach = 1, [0, 0], 1
        size.append((at.size[axis] + sum(padding[axis]) - reach) // stride[axis] + 1)
    out = draw(channels())
    settings = {"out": out, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    settings |= _groups(draw, at.channels, out) | _style(draw, "act", "norm", "bias")
    after = at.moved((size[0], size[1]), (Fraction(stride[0]), Fraction(stride[1])))
    return {"conv": settings}, replace(after, channels=out)


def _shorthand(draw: Draw, at: At) -> tuple[Item, At]:
    out = draw(channels())
    if draw(st.booleans()):
        return {"strided": {"out": out}}, replace(at.strided((2, 2)), channels=out)
    return {"dilated": {"out": out}}, replace(at, channels=out)


def _any_pool(draw: Draw, at: At) -> tuple[Item, At]:
    kernel, stride, padding, size = [], [], [], []
    ceil = draw(st.booleans())
    for axis in range(2):
        side = draw(st.integers(1, min(4, at.size[axis])))
        step, pad = draw(st.integers(1, 4)), draw(st.integers(0, side // 2))
        room = at.size[axis] + 2 * pad - side
        units = (-(-room // step) if ceil else room // step) + 1
        if ceil and (units - 1) * step >= at.size[axis] + pad:
            units -= 1  # torch: no window may start behind the map
        kernel.append(side)
        stride.append(step)
        padding.append(pad)
        size.append(units)
    settings: Item = {"type": draw(st.sampled_from(["max", "avg"])), "kernel": kernel, "padding": padding}
    settings |= {} if kernel == stride and draw(st.booleans()) else {"stride": stride}
    settings |= {"ceil_mode": True} if ceil else {}
    covers = all(side - pad >= n for side, pad, n in zip(kernel, padding, at.size, strict=True))
    after = at.moved((size[0], size[1]), (Fraction(stride[0]), Fraction(stride[1])))
    return {"pool": settings}, replace(after, placeless=at.placeless or covers)


def _to_size(draw: Draw, at: At) -> tuple[Item, At]:
    """Adaptive pooling, or resizing to a size of its own."""
    size = [draw(st.integers(1, min(40, 2 * side))) for side in at.size]
    by = (Fraction(at.size[0], size[0]), Fraction(at.size[1], size[1]))
    after = at.moved((size[0], size[1]), by)
    one = at.size == (1, 1) or after.size == (1, 1)
    if draw(st.booleans()):
        kind = draw(st.sampled_from(["max", "avg"]))
        return {"adaptive_pool": {"type": kind, "size": size}}, replace(after, placeless=at.placeless or one)
    mode = draw(st.sampled_from(["nearest", "bilinear"]))
    spread = at.size == (1, 1) != after.size
    return {"resize": {"size": size, "mode": mode}}, replace(after, placeless=at.placeless or spread)


def _up(draw: Draw, at: At) -> tuple[Item, At]:
    factor = _pair(_size(draw, st.integers(1, 3)))
    if any(size * by > MAX_SIZE for size, by in zip(at.size, factor, strict=True)):
        return _pointwise(draw, at)
    by = (Fraction(1, factor[0]), Fraction(1, factor[1]))
    if draw(st.booleans()):
        mode = draw(st.sampled_from(["nearest", "bilinear"]))
        after = at.moved((at.size[0] * factor[0], at.size[1] * factor[1]), by)
        spread = at.size == (1, 1) != after.size
        return {"resize": {"scale": list(factor), "mode": mode}}, replace(after, placeless=at.placeless or spread)
    kernel, dilation = [draw(st.integers(1, 4)) for _ in range(2)], [draw(st.integers(1, 2)) for _ in range(2)]
    padding, extra, size = [0, 0], [0, 0], []
    for axis in range(2):
        side = (at.size[axis] - 1) * factor[axis] + dilation[axis] * (kernel[axis] - 1) + 1
        padding[axis] = draw(st.integers(0, min(2, (side - 1) // 2)))
        extra[axis] = draw(st.integers(0, max(factor[axis], dilation[axis]) - 1))
        size.append(side - 2 * padding[axis] + extra[axis])
    out = draw(channels())
    settings: Item = {"out": out, "kernel": kernel, "stride": list(factor), "dilation": dilation}
    settings |= {"padding": padding, "output_padding": extra, **_style(draw, "act", "norm", "order", "bias")}
    groups = [n for n in range(1, at.channels + 1) if at.channels % n == out % n == 0]
    if draw(st.booleans()):
        settings["groups"] = draw(st.sampled_from(groups))
    return {"conv_transpose": settings}, replace(at.moved((size[0], size[1]), by), channels=out)


def _patches(draw: Draw, at: At) -> tuple[Item, At]:
    block = draw(st.sampled_from([2, 3]))
    if at.channels % block**2 == 0 and max(at.size) * block <= MAX_SIZE:
        after = at.moved((at.size[0] * block, at.size[1] * block), (Fraction(1, block),) * 2)
        return {"depth_to_space": {"block": block}}, replace(after, channels=at.channels // block**2)
    if any(size % block for size in at.size) or at.channels > MAX_CHANNELS:
        return _pointwise(draw, at)
    after = at.moved((at.size[0] // block, at.size[1] // block), (Fraction(block),) * 2)
    return {"space_to_depth": {"block": block}}, replace(after, channels=at.channels * block**2)


CHANGERS = (_strided, _strided, _any_conv, _shorthand, _any_pool, _to_size, _to_size, _up, _up, _patches)


def _changer(draw: Draw, at: At) -> tuple[Item, At]:
    """An item that may change the size and the jump, within bounds."""
    item, after = draw(st.sampled_from(CHANGERS))(draw, at)
    if max(after.jump) > MAX_JUMP or max(after.size) > MAX_SIZE:
        return _pointwise(draw, at)
    return item, after


def _repeated(draw: Draw, at: At) -> tuple[Item, At]:
    """Copies of one block that keeps its width, the first perhaps with a stride."""
    item, after = draw(st.sampled_from(STRIDABLE))(draw, at)
    out = after.channels
    ((kind, settings),) = item.items()
    if "body" in settings and out != at.channels:
        return item, after  # the copies would each widen the map further
    if kind == "conv":
        settings.pop("groups", None)  # would have to divide both widths
    item["repeat"] = draw(st.integers(2, 3))
    if "body" not in settings and max(at.jump) <= MAX_JUMP / 2 and draw(st.booleans()):
        item["first"] = {"stride": 2}
        after = at.strided((2, 2))
    return item, replace(after, channels=out)


# -- whole specs -----------------------------------------------------------------------------------------------


@st.composite
def specs(draw: Draw, max_items: int = 5) -> dict[str, Any]:
    """A spec document, as plain data, with any block and layer of the library; it loads."""
    at = At(draw(st.integers(1, 4)), draw(st.sampled_from(INPUTS)))
    document: dict[str, Any] = {"schema": 1, "name": "drawn", "input": [at.channels, *at.size]}
    if draw(st.booleans()):
        document["defaults"] = _style(draw, "act", "norm", "order")
    document["blocks"] = USER_BLOCKS
    items: list[Item] = []
    ends: list[At] = [at]  # of the input and of each item
    for _ in range(draw(st.integers(1, max_items))):
        if len(items) > 1 and draw(st.integers(0, 2)) == 0:
            more, at = _joined(draw, items, ends)
        elif draw(st.integers(0, 4)) == 0:
            item, at = _repeated(draw, at)
            more = [item]
        elif draw(st.booleans()):
            item, at = _changer(draw, at)
            more = [item]
        else:
            more, at = _keeper(draw, at, 0)
        items += more
        ends += [at.moved((0, 0), (Fraction(0), Fraction(0)))] * (len(more) - 1) + [at]
        if at.channels > 4 * MAX_CHANNELS:
            items.append({"conv": {"out": 4, "kernel": 1}})
            at = replace(at, channels=4)
            ends.append(at)
    if draw(st.integers(0, 3)) == 0:
        draw(st.sampled_from(items))["tap"] = True
    _finish(draw, document, items, at)
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
        return [{kind: {}, "from": [_name(items, n) for n in sources]}], after
    source = draw(st.sampled_from(numbers or [0]))
    item, after = _conv(draw, ends[source])
    return [{**item, "from": _name(items, source)}], after


def _name(items: list[Item], number: int) -> str:
    """The id of the item with that output; it gets one if it has none."""
    if number == 0:
        return "input"
    name: str = items[number - 1].setdefault("id", f"n{number}")
    return name


def _finish(draw: Draw, document: dict[str, Any], items: list[Item], at: At) -> None:
    """A head, or flat layers at the end, or neither."""
    ending = draw(st.sampled_from(["head", "head", "map", "flat", "pooled"]))
    if ending == "head":
        head = {"classes": draw(st.integers(0, 5)), "pool": draw(st.sampled_from(POOLS))}
        document["head"] = {**head, **_style(draw, "dropout", "bias")}
    elif ending == "flat":
        items += [{"flatten": {}}, {"linear": {"out": 3}}]
    elif ending == "pooled":
        items += [{"global_pool": {"type": draw(st.sampled_from(POOLS))}}, {"act": {}}]


# -- the family of C1C2C3C40 -----------------------------------------------------------------------------------

CONSTRAINTS: dict[str, Any] = {
    "receptive_field": "> 44",
    "params": "< 200k",
    "uses": ["depthwise_separable", "dilated", "global_pool"],
    "forbids": ["max_pool"],
}


@st.composite
def c1c2c3c40_family(draw: Draw, *, strays: bool = False) -> dict[str, Any]:
    """Four convolution blocks, one at least depthwise-separable and one at least dilated, and global pooling.

    Some meet the constraints of C1C2C3C40, some break them. With `strays`, what makes the family may be missing.
    """
    kinds = [draw(st.sampled_from(["conv", "separable", "inverted"])) for _ in range(4)]
    dilations = [draw(st.sampled_from([1, 1, 2, 3])) for _ in range(4)]
    if not strays:
        kinds[draw(st.integers(0, 3))] = draw(st.sampled_from(["separable", "inverted"]))
        dilations[draw(st.integers(0, 3))] = draw(st.sampled_from([2, 3]))
    layers: list[Item] = []
    for number, (kind, dilation) in enumerate(zip(kinds, dilations, strict=True)):
        width = draw(st.sampled_from([8, 16, 32, 64, 96]))
        kernel = draw(st.sampled_from([3, 3, 3, 5]))
        if kind == "conv":
            layers.append({"conv": {"out": width, "kernel": kernel}})
        elif kind == "separable":
            layers.append({"depthwise_separable": {"out": width, "kernel": kernel}})
        else:
            shortcut = draw(st.sampled_from(["identity", "auto"]))
            settings = {"expand": width * draw(st.integers(1, 2)), "out": width, "kernel": kernel, "shortcut": shortcut}
            layers.append({"inverted_residual": settings})
        stride = draw(st.sampled_from([1, 2])) if number < 3 else 1
        transition: Item = {"out": width, "kernel": 3, "act": "none", "stride": stride}
        if dilation > 1:
            transition["dilation"] = dilation
        if draw(st.booleans()):
            transition["groups"] = "depthwise"
        layers.append({"conv": transition})
    if strays and draw(st.booleans()):
        layers.insert(draw(st.integers(1, 7)), {"max_pool": {"kernel": 3, "stride": 1, "padding": 1}})
    document: dict[str, Any] = {"name": "family", "input": [3, 32, 32], "layers": layers}
    if not strays or draw(st.booleans()):
        document["head"] = {"pool": "avg", "classes": 10}
    return {**document, "constraints": CONSTRAINTS}
