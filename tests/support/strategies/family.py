"""The family of C1C2C3C40."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from strategies.settings import Draw, Item

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
