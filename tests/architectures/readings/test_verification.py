"""Whole specs, built and measured: one for each way in which a field or a cost can go wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

import fieldspec
from fieldspec.analysis import Check
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.readings.verification import Verification, module_path, tapped, verify

Items = list[dict[str, Any]]


def conv(out: int = 4, kernel: Any = 3, **settings: Any) -> dict[str, Any]:
    """An item."""
    return {"conv": {"out": out, "kernel": kernel, **settings}}


def network(layers: Items, input: tuple[int, int, int] = (3, 24, 24), head: bool = True) -> dict[str, Any]:
    """A spec of these items."""
    data: dict[str, Any] = {"input": list(input), "layers": layers}
    return {**data, "head": {"classes": 5}} if head else data


def both(*branches: Items, merge: str = "add") -> dict[str, Any]:
    """Parallel branches."""
    return {"parallel": {"merge": merge, "branches": list(branches)}}


def field(verification: Verification, what: str, layer: str) -> Any:
    """What was measured of a layer."""
    (check,) = [check for check in verification.checks if (check.what, check.layer) == (what, layer)]
    return check.measured


ASPP = both(
    [conv(kernel=1)],
    [conv(dilation=2)],
    [conv(dilation=4)],
    [{"global_pool": {}}, conv(kernel=1, norm="none"), {"resize": {"size": 12}}],
    merge="concat",
)
U_NET: Items = [
    {**conv(4), "id": "high"},
    {**conv(8, stride=2), "id": "middle"},
    {**conv(8, stride=2), "id": "low"},
    {"resize": {"scale": 2}, "id": "up"},
    {"concat": {}, "from": ["up", "middle"]},
    conv(8),
    {"conv_transpose": {"out": 4}, "id": "wide"},
    {"add": {}, "from": ["wide", "high"]},
    conv(2),
]

# name: items, id of the features, their field
NETWORKS: dict[str, tuple[Items, str, tuple[int, int]]] = {
    "even kernels": ([conv(kernel=2), conv(kernel=4), conv(kernel=2, stride=2)], "conv3.act", (6, 6)),
    "same padding": ([conv(kernel=4, padding="same"), conv(kernel=2, padding="same")], "conv2.act", (5, 5)),
    "asymmetric padding": ([conv(padding=[[0, 2], [2, 0]]), conv(kernel=[3, 5], stride=[2, 1])], "conv2.act", (5, 7)),
    "holes": ([conv(dilation=2), conv(dilation=4)], "conv2.act", (13, 13)),
    "strided 1x1": ([conv(kernel=1, stride=2), conv()], "conv2.act", (5, 5)),
    "stride beyond kernel": ([conv(kernel=2, stride=3), conv()], "conv2.act", (8, 8)),
    "transposed, stride < kernel": (
        [conv(stride=2), {"conv_transpose": {"out": 4, "kernel": 3, "padding": 1, "output_padding": 1}}, conv()],
        "conv2.act",
        (7, 7),
    ),
    "transposed, stride = kernel": ([conv(stride=2), {"conv_transpose": {"out": 4}}, conv()], "conv2.act", (5, 5)),
    "transposed, stride > kernel": (
        [conv(stride=2), {"conv_transpose": {"out": 4, "stride": 3}}],
        "conv_transpose1.act",
        (3, 3),
    ),
    "nearest": ([conv(stride=2), {"resize": {"scale": 2}}, conv()], "conv2.act", (5, 5)),
    "bilinear": ([conv(stride=2), {"resize": {"scale": 2, "mode": "bilinear"}}, conv()], "conv2.act", (7, 7)),
    "resize to a size": ([conv(), {"resize": {"size": [16, 18]}}], "resize1", (3, 3)),
    "bilinear to a size": ([conv(), {"resize": {"size": 16, "mode": "bilinear"}}], "resize1", (4, 4)),
    "holes on a map of one column": (
        [{"resize": {"size": [3, 1]}}, conv(kernel=2, dilation=2, padding="same")],
        "conv1.act",
        (17, 49),
    ),
    "ceil_mode": ([conv(), {"max_pool": {"kernel": 3, "stride": 2, "ceil_mode": True}}], "pool1", (5, 5)),
    "padded average": ([{"avg_pool": {"kernel": 3, "stride": 2, "padding": 1}}, conv()], "conv1.act", (7, 7)),
    "squeeze-excite": ([conv(), {"squeeze_excite": {}}, conv(stride=2)], "conv2.act", (5, 5)),
    "squeeze-excite in a branch": ([conv(), both([conv(), {"squeeze_excite": {}}], [])], "parallel1", (5, 5)),
    "image pooling": ([conv(stride=2), ASPP, conv(kernel=1)], "conv2.act", (19, 19)),
    "image pooling in patches": (
        [conv(stride=2), ASPP, {"space_to_depth": {}}, conv(8, kernel=1)],
        "conv2.act",
        (21, 21),
    ),
    "U-Net": (U_NET, "conv5.act", (17, 17)),
    "1x7 beside 7x1": ([both([conv(kernel=[1, 7])], [conv(kernel=[7, 1])])], "parallel1", (7, 7)),
    "misaligned": (
        [both([conv(padding=[[0, 2], [0, 2]])], [conv(padding=[[2, 0], [2, 0]])])],
        "parallel1",
        (5, 5),
    ),
    "dense": ([conv(), {"dense": {"growth": 2, "layers": 3}}], "dense1.layer3", (9, 9)),
    "patches": (
        [{"space_to_depth": {}}, conv(8), {"depth_to_space": {}}, conv()],
        "conv2.act",
        (8, 8),
    ),
    "group norm": ([conv(norm={"group": 2}), conv(norm="layer")], "conv2.act", (5, 5)),
    "drop path": ([conv(), {"residual": {"out": 4, "drop_path": 0.2, "dropout": 0.1}}], "residual1.act", (7, 7)),
    "mobile": (
        [conv(), {"inverted_residual": {"expand_ratio": 2, "out": 4, "squeeze_excite": {"ratio": 0.5}}}],
        "inverted_residual1",
        (5, 5),
    ),
    "three summands": ([conv(), both([conv()], [conv(kernel=1)], [])], "parallel1", (5, 5)),
    "three factors": ([conv(), both([conv()], [conv(kernel=1)], [], merge="multiply")], "parallel1", (5, 5)),
    "three summands of two sizes": (
        [conv(), both([{"global_pool": {}}], [{"global_pool": {}}], [])],
        "parallel1",
        (3, 3),
    ),
    "a spatial gate": ([conv(), both([], [conv(1, 7, act="sigmoid")], merge="multiply")], "parallel1", (9, 9)),
    "a pool that covers": ([conv(stride=4), {"avg_pool": {"kernel": 6}}, conv(kernel=1)], "conv1.act", (3, 3)),
}


def test_the_seed_network() -> None:
    """Every number of C1C2C3C40 is proved: 178,178 parameters, 4,450 buffers, 21,766,440 multiply-adds, field 47."""
    verification = fieldspec.verify("c1c2c3c40")
    assert {check.verdict for check in verification.checks} == {"proved"}
    totals = {check.what: check.measured for check in verification.checks if not check.layer}
    assert [totals[what] for what in ("params", "torchinfo params", "buffers", "macs")] == [
        178178,
        178178,
        4450,
        21766440,
    ]
    assert field(verification, "receptive_field", "inverted_residual4") == (47, 47)
    assert field(verification, "jump", "inverted_residual4") == (4, 4)
    assert field(verification, "receptive_field", "head.global_pool") == (59, 59)
    assert "receptive_field: 5 of 5" in str(verification)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name: str) -> None:
    """Everything that is told of a network is proved, and its field is the one worked out by hand."""
    layers, features, size = NETWORKS[name]
    verification = verify(network(layers))
    assert [str(check) for check in verification.checks if check.verdict != "proved"] == []
    assert field(verification, "receptive_field", features) == size


def test_holes_are_measured() -> None:
    """A 3 of dilation 2 then one of dilation 4 leave every other pixel of 13 out."""
    verification = verify(network(NETWORKS["holes"][0]))
    assert field(verification, "pixels_read", "conv2.act") == (7, 7)
    assert field(verification, "holes", "conv2.act") == (((1, 3, 5, 7, 9, 11),),) * 2


def test_phases_are_measured() -> None:
    """10 to 4: windows 0-2, 2-4, 5-7, 7-9, of which two repeat after 5 pixels."""
    verification = verify(network([{"adaptive_pool": {"type": "avg", "size": 4}}], (3, 10, 10)))
    assert verification.ok
    assert field(verification, "phases", "adaptive_pool1") == (((0, 3), (2, 3)),) * 2


@pytest.mark.parametrize("input", [(3, 33, 47), (1, 17, 16)])
@pytest.mark.parametrize("name", ["bilinear", "ceil_mode", "holes", "image pooling", "mobile", "asymmetric padding"])
def test_odd_inputs(name: str, input: tuple[int, int, int]) -> None:
    """Nothing hangs on even or square inputs."""
    layers = NETWORKS[name][0]
    if name == "image pooling":
        layers = [
            conv(),
            both([conv(dilation=2)], [{"global_pool": {}}, {"resize": {"size": list(input[1:])}}], merge="concat"),
        ]
    verification = verify(network(layers, input))
    assert [str(check) for check in verification.checks if check.verdict != "proved"] == []


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "catavgmax"])
def test_heads(pool: str) -> None:
    """Every pooling of the head, with dropout."""
    spec = {**network([conv(norm="none", act="none")]), "head": {"classes": 3, "pool": pool, "dropout": 0.1}}
    assert {check.verdict for check in verify(spec).checks} == {"proved"}


def test_without_a_head() -> None:
    """A network that ends in a map, and one that ends in a vector of its own."""
    assert verify(network([conv(), conv(stride=2)], head=False)).ok
    flat = verify(network([conv(stride=8), {"flatten": {}}, {"linear": {"out": 3}}], head=False))
    assert {check.verdict for check in flat.checks} == {"proved"}
    assert field(flat, "receptive_field", "flatten1") == (3 + 2 * 8, 3 + 2 * 8)


def test_tapped_layers_are_measured() -> None:
    """The layers that the spec taps, by the id of the layer that ends the item."""
    spec = fieldspec.load(network([{**conv(), "tap": True}, conv(), conv(stride=2)]))
    assert tapped(spec) == ["conv1.act", "conv3.act"]
    measured = {check.layer for check in verify(spec).checks if check.what == "receptive_field"}
    assert measured == {"conv1.act", "conv3.act", "head.global_pool"}


def test_too_many_phases_are_not_proved() -> None:
    """What is too long to measure is shown with its reason, and is no refutation."""
    verification = verify(network([{"resize": {"size": 71, "mode": "bilinear"}}, conv()], (3, 24, 24), head=False))
    assert verification.ok
    assert verification.count("not proved") == 1
    assert "its units have 71 phases, but at most 64 are measured" in str(verification)


def test_paths() -> None:
    """Layers stand below `layers`, the head's below `head`; an item may begin with that word."""
    assert [module_path(layer) for layer in ("conv1.conv", "head.fc", "header")] == [
        "layers.conv1.conv",
        "head.fc",
        "layers.header",
    ]


def test_a_refuted_number_fails() -> None:
    """One refuted number makes the whole not ok; one that is not proved does not."""
    good, bad = Check("params", "", 2, 2, "proved"), Check("macs", "", 2, 3, "refuted")
    open_ = Check("jump", "a", 1, None, "not proved", "why")
    assert Verification("n", (good, open_)).ok
    wrong = Verification("n", (good, bad, open_))
    assert not wrong.ok
    assert str(wrong).splitlines() == [
        "n: 1 of 3 numbers proved",
        "  params: 2, 1 of 1",
        "  macs: 3, 0 of 1",
        "  jump: 0 of 1",
        "  a  jump 1 (not proved)",
        "refuted: macs: claimed 2, measured 3",
        "not proved: a: jump 1: why",
    ]


def test_plain_data() -> None:
    """The JSON form has a schema number, the counts, and fractions as text."""
    data = verify(network([{"resize": {"scale": 2}}, conv()])).to_dict()
    assert (data["schema"], data["ok"], data["refuted"], data["not_proved"]) == (2, True, 0, 0)
    assert data["proved"] == len(data["checks"])
    jumps = [check["claimed"] for check in data["checks"] if check["what"] == "jump"]
    assert jumps == [["1/2", "1/2"]]
    assert json.loads(json.dumps(data)) == data


def test_a_network_that_does_not_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the network raises is no excuse for not measuring: the verdict is failed, and nothing is ok."""

    def broken(self: SpecNet, x: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no way through")

    monkeypatch.setattr(SpecNet, "forward", broken)
    verification = verify({"input": [3, 8, 8], "layers": [{"conv": {"out": 4}}], "head": {"classes": 2}})
    assert not verification.ok
    assert verification.count("failed") > 0
    assert "no way through" in str(verification)
