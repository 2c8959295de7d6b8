"""What `first` says is of the first copy alone, bodies and branches included, and complained of where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.spec import load, loads


def spec(item: dict[str, Any], **rest: Any) -> Any:
    """A network of one item on eight channels, as many as every convolution gives."""
    return load({"input": [8, 32, 32], "layers": [item], **rest})


def conv(kernel: int, **settings: Any) -> dict[str, Any]:
    """An item."""
    return {"conv": {"out": 8, "kernel": kernel, **settings}}


CASES: dict[str, tuple[dict[str, Any], list[int], int]] = {  # kernels of all copies, the field of the last
    "body": ({"chain": {"body": [conv(3)]}, "repeat": 3, "first": {"body": [conv(1)]}}, [1, 3, 3], 5),
    "branches": (
        {"parallel": {"merge": "add", "branches": [[conv(3)], []]}, "repeat": 2,
         "first": {"branches": [[conv(5)], [conv(1)]]}},
        [5, 1, 3], 7,
    ),
    "stride": (
        {"residual": {"body": [conv(3)]}, "repeat": 2, "first": {"body": [conv(3, stride=2)]}}, [3, 1, 3], 7
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("nested", [False, True])
def test_it_is_built_as_it_is_written(name: str, nested: bool) -> None:
    """In the layers, and in a body inside them."""
    item, kernels, field = CASES[name]
    loaded = spec({"chain": {"body": [item]}} if nested else item)
    convs = [module for module in build(loaded).modules() if isinstance(module, nn.Conv2d)]
    assert [module.kernel_size[0] for module in convs] == kernels
    assert analyze(loaded).features.receptive_field == (field, field)
    assert load(loaded.canonical()) == loaded


def test_it_is_complained_of_where_it_stands() -> None:
    """Not at the settings of the other copies, which are right."""
    text = """
input: [8, 32, 32]
blocks: {own: {params: {k: 3}, body: [{conv: {out: 8, kernel: $k}}]}}
layers:
- chain: {body: [{conv: {out: 8}}]}
  repeat: 2
  first: {body: [{conv: {out: 8, strid: 2}}]}
- {own: {}, repeat: 2, first: {k: x, l: 1}}
"""
    with pytest.raises(SpecError) as caught:
        loads(text)
    assert str(caught.value).splitlines() == [
        "7:34: layers[0].first.body[0].conv.strid: unknown key. Did you mean 'stride'?",
        "8:35: layers[1].first.k: needs a whole number from 1 to 4096, or [height, width], gets 'x'",
        "8:38: layers[1].first.l: unknown key. Known: k.",
    ]


def test_own_blocks() -> None:
    """The first copy of a block of the spec's own, with another parameter."""
    own = {"own": {"params": {"k": 3}, "body": [conv(3) | {"conv": {"out": 8, "kernel": "$k"}}]}}
    loaded = spec({"own": {}, "repeat": 2, "first": {"k": 5}}, blocks=own)
    assert analyze(loaded).features.receptive_field == (7, 7)
