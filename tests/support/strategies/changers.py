"""Items that may change the size of the map or the jump."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import strategies as st

from strategies.keepers import STRIDABLE, parallel, pointwise
from strategies.settings import (
    MAX_CHANNELS,
    MAX_JUMP,
    MAX_SIZE,
    At,
    Draw,
    Item,
    channels,
    groups_of,
    one_or_two,
    pair_of,
    style,
)


def _strided(draw: Draw, at: At) -> tuple[Item, At]:
    """A strided block with the padding that gives ``ceil(size / stride)``."""
    stride = pair_of(one_or_two(draw, st.integers(1, 3)))
    if draw(st.integers(0, 3)) == 0:
        return parallel(draw, at, 1, stride=stride)
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
    settings |= groups_of(draw, at.channels, out) | style(draw, "act", "norm", "bias")
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
    if settings["type"] == "avg" and draw(st.integers(0, 2)) == 0:
        settings["count_include_pad"] = draw(st.booleans())
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
    factor = pair_of(one_or_two(draw, st.integers(1, 3)))
    if any(size * by > MAX_SIZE for size, by in zip(at.size, factor, strict=True)):
        return pointwise(draw, at)
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
    settings |= {"padding": padding, "output_padding": extra, **style(draw, "act", "norm", "order", "bias")}
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
        return pointwise(draw, at)
    after = at.moved((at.size[0] // block, at.size[1] // block), (Fraction(block),) * 2)
    return {"space_to_depth": {"block": block}}, replace(after, channels=at.channels * block**2)


def _padded(draw: Draw, at: At) -> tuple[Item, At]:
    sides = [[draw(st.integers(0, 2)), draw(st.integers(0, 2))] for _ in range(2)]
    size = (at.size[0] + sum(sides[0]), at.size[1] + sum(sides[1]))
    space = draw(st.sampled_from([sides[0][0], sides]))
    if space != sides:
        size = (at.size[0] + 2 * space, at.size[1] + 2 * space)
    fits = all(max(pair) < side for pair, side in zip(sides, at.size, strict=True)) and sides[0][0] < min(at.size)
    mode = draw(st.sampled_from(["zeros", "replicate", *["reflect"] * fits]))
    return {"pad": {"space": space, "mode": mode}}, replace(at, size=size)


CHANGERS = (_padded, _strided, _strided, _any_conv, _shorthand, _any_pool, _to_size, _to_size, _up, _up, _patches)


def changer(draw: Draw, at: At) -> tuple[Item, At]:
    """An item that may change the size and the jump, within bounds."""
    item, after = draw(st.sampled_from(CHANGERS))(draw, at)
    if max(after.jump) > MAX_JUMP or max(after.size) > MAX_SIZE:
        return pointwise(draw, at)
    return item, after


def repeated(draw: Draw, at: At) -> tuple[Item, At]:
    """Copies of one block that keeps its width, the first perhaps with a stride."""
    item, after = draw(st.sampled_from(STRIDABLE))(draw, at)
    out = after.channels
    ((kind, settings),) = item.items()
    if "body" in settings and out != at.channels:
        return item, after  # the copies would each widen the map further
    if kind == "conv":
        settings.pop("groups", None)  # would have to divide both widths
    item["repeat"] = draw(st.integers(2, 3))
    with_items = "body" in settings or isinstance(settings.get("shortcut"), list)
    if not with_items and max(at.jump) <= MAX_JUMP / 2 and draw(st.booleans()):
        item["first"] = {"stride": 2}
        if settings.get("padding") == "same":
            settings["padding"] = "tf"  # the other has no meaning with a stride
        after = at.strided((2, 2))
    return item, replace(after, channels=out)
