"""What common operations give is told as torch tells it: sizes, strides, types, for whatever arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._pytree import tree_leaves

from fieldspec.analysis.trace.shapes import TABLE, outcome

TYPES = [torch.float32] * 6 + [torch.float64, torch.int64]
SIZES = st.integers(1, 5)
Draw = Callable[..., Any]


def tensor(draw: Draw, *sizes: int) -> Tensor:
    """Without values, of one of a few types and orders in memory."""
    made = torch.empty(sizes, dtype=draw(st.sampled_from(TYPES)), device="meta")
    order = draw(st.sampled_from(["as it is"] * 5 + ["channels last", "every other"]))
    if order == "channels last" and len(sizes) == 4:
        return made.contiguous(memory_format=torch.channels_last)
    if order == "every other" and sizes:
        return torch.empty((*sizes[:-1], 2 * sizes[-1]), dtype=made.dtype, device="meta")[..., ::2]
    return made


def shape(draw: Draw, least: int = 1, most: int = 4) -> list[int]:
    """Of a tensor."""
    made: list[int] = draw(st.lists(SIZES, min_size=least, max_size=most))
    return made


def maybe(draw: Draw, made: Tensor) -> Tensor | None:
    """A weight that may be left out."""
    return made if draw(st.booleans()) else None


def convolution(draw: Draw) -> tuple[Any, ...]:
    """Of fitting and of other channels."""
    axes, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    inner, outer = groups * draw(SIZES), groups * draw(SIZES)
    own = inner // groups if draw(st.integers(0, 5)) else inner + 1
    x, weight = tensor(draw, draw(SIZES), inner, *[draw(st.integers(1, 9)) for _ in range(axes)]), None
    weight = tensor(draw, outer, own, *[draw(st.integers(1, 3)) for _ in range(axes)])
    bias = maybe(draw, tensor(draw, outer if draw(st.integers(0, 5)) else outer + 1))
    window = [[draw(st.integers(low, 3)) for _ in range(draw(st.sampled_from([axes, 1])))] for low in (1, 0, 1)]
    return (x, weight, bias, *window, draw(st.integers(0, 5)) == 0, [0] * axes, groups)


def batch_norm(draw: Draw) -> tuple[Any, ...]:
    """In either mode."""
    sizes = shape(draw, 2)
    own = sizes[1] if draw(st.integers(0, 5)) else sizes[1] + 1
    parts = [torch.empty(own, device="meta") for _ in range(4)]
    return (tensor(draw, *sizes), *parts, draw(st.booleans()), 0.1, 1e-5)


def layer_norm(draw: Draw) -> tuple[Any, ...]:
    """Over one or more dimensions."""
    sizes = shape(draw)
    own = sizes[-draw(st.integers(1, len(sizes))) :] if draw(st.integers(0, 5)) else [7]
    return tensor(draw, *sizes), own, maybe(draw, tensor(draw, *own)), maybe(draw, tensor(draw, *own)), 1e-5


def products(draw: Draw) -> tuple[Tensor, Tensor]:
    """Two matrices that may not fit."""
    a, b = shape(draw, 2, 2), shape(draw, 2, 2)
    if draw(st.integers(0, 5)):
        b[0] = a[1]
    return tensor(draw, *a), tensor(draw, *b)


def added(draw: Draw) -> tuple[Tensor, ...]:
    """A bias beside them."""
    a, b = products(draw)
    return tensor(draw, *draw(st.sampled_from([(b.shape[1],), (1,), (a.shape[0], b.shape[1]), (3,)]))), a, b


def two(draw: Draw) -> tuple[Any, ...]:
    """Tensors of which one may be spread over the other; a number."""
    sizes = shape(draw)
    other = [size if draw(st.booleans()) else 1 for size in sizes][draw(st.integers(0, len(sizes))) :]
    pair = [tensor(draw, *sizes), draw(st.sampled_from([tensor(draw, *sizes), tensor(draw, *other), 2, 0.5]))]
    return tuple(pair[::-1]) if draw(st.booleans()) and isinstance(pair[1], Tensor) else tuple(pair)


def several(draw: Draw) -> tuple[Any, ...]:
    """Tensors side by side, most of which fit."""
    sizes = shape(draw)
    dim = draw(st.integers(-len(sizes), len(sizes) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        own = list(sizes)
        own[dim if draw(st.integers(0, 5)) else 0] = draw(SIZES)
        parts.append(tensor(draw, *own))
    return parts, dim


def mean(draw: Draw) -> tuple[Any, ...]:
    """Along some dimensions."""
    sizes = shape(draw)
    dims = draw(st.lists(st.integers(-len(sizes), len(sizes) - 1), max_size=3))
    return tensor(draw, *sizes), dims, draw(st.booleans())


def one(draw: Draw) -> tuple[Any, ...]:
    """A tensor."""
    return (tensor(draw, *shape(draw)),)


ARGUMENTS: dict[str, Callable[[Draw], tuple[Any, ...]]] = {
    "aten::convolution": convolution,
    "aten::native_batch_norm": batch_norm,
    "aten::native_layer_norm": layer_norm,
    "aten::mm": products,
    "aten::addmm": added,
    "aten::cat": several,
    "aten::mean": mean,
    **{f"aten::{name}{mark}": two for name in ("add", "sub", "mul", "div") for mark in ("", "_")},
}


@pytest.mark.parametrize("func", TABLE, ids=str)
@draws(5)
@given(data=st.data())
def test_as_torch_tells(func: Any, data: st.DataObject) -> None:
    """What is told is what torch gives; of what torch refuses nothing is told."""
    args = ARGUMENTS.get(func._schema.name, one)(data.draw)
    told = outcome(func, args, {})
    if told is None:
        return
    made: Any = func(*args)
    if "batch_norm" in func._schema.name:
        told, made = told[0], made[0]  # on the meta device it has statistics, elsewhere none
    for mine, other in zip(tree_leaves(told), tree_leaves(made), strict=True):
        assert (mine.shape, mine.stride()) == (other.shape, other.stride())
        assert (mine.dtype, mine.device) == (other.dtype, other.device)
        assert (mine is args[0]) == (other is args[0])


def test_the_common_ones_are_told() -> None:
    """A test that skips everything would pass."""
    x, weight = torch.empty(1, 8, 6, 6, device="meta"), torch.empty(4, 8, 3, 3)
    aten = torch.ops.aten
    told = outcome(aten.convolution.default, (x, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1), {})
    assert isinstance(told, Tensor)
    assert told.shape == (1, 4, 3, 3)
    gate = torch.empty(1, 8, 1, 1, device="meta")
    assert outcome(aten.cat.default, ([x, x], 1), {}) is not None
    assert outcome(aten.mul.Tensor, (gate, x), {}) is not None
    assert outcome(aten.mean.dim, (x, [2, 3], True), {}) is not None
