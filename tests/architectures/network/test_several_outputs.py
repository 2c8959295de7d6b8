"""Specs that name their outputs: several heads on one trunk."""

from pathlib import Path
from typing import Any

import pytest
import torch

from fieldspec.architectures import analyze, build, dump, load, loads
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.readings.verification import verify
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.file.exporting import export_network
from fieldspec.export.file.formats import FileFormat
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

DETECTOR: dict[str, Any] = {
    "input": [3, 32, 32],
    "layers": [
        {"strided": {"out": 4}, "id": "c1"},
        {"strided": {"out": 6}, "id": "c2"},
        {"conv": {"out": 5, "kernel": 1, "norm": "none", "act": "none"}, "id": "coarse"},
        {"resize": {"scale": 2}, "from": "c2"},
        {"concat": {}, "from": ["resize1", "c1"], "id": "fused"},
        {"conv": {"out": 5, "kernel": 1, "norm": "none", "act": "none"}, "id": "fine"},
    ],
    "outputs": ["fine", "coarse"],
}


def test_the_network_gives_each() -> None:
    """In the order that is named, scripted and exported as well; those of a plain computation with its modules."""
    net = build(DETECTOR).eval()
    x = torch.randn(2, 3, 32, 32)
    fine, coarse = net(x)
    assert (fine.shape, coarse.shape) == ((2, 5, 16, 16), (2, 5, 8, 8))
    layers: Any = net.layers
    c1 = layers.c1(x)
    c2 = layers.c2(c1)
    torch.testing.assert_close(coarse, layers.coarse(c2))
    torch.testing.assert_close(fine, layers.fine(torch.cat((layers.resize1(c2), c1), 1)))
    for other in (torch.jit.script(net), torch.export.export(net, (x,)).module()):
        torch.testing.assert_close(list(other(x)), [fine, coarse])


def test_a_plain_file_gives_each(tmp_path: Path) -> None:
    """The list that the network gives, with the same bits; formats of one answer are refused."""
    network = TrainedNetwork("detector", build(DETECTOR).eval(), (0.5,) * 3, (0.5,) * 3, (), "initial weights", {})
    path = export_network(network, FileFormat.python, tmp_path / "detector.py").path
    there: dict[str, Any] = {}
    exec(path.read_text(encoding="utf-8"), there)
    plain, x = there["Net"]().eval(), torch.randn(2, 3, 32, 32)
    plain.load_state_dict(network.net.state_dict())
    torch.testing.assert_close(plain(x), network.net(x), rtol=0, atol=0)
    with pytest.raises(FieldspecError, match="detector has 2 outputs, but tflite files have one; export it to py"):
        export_network(network, FileFormat.tflite, tmp_path / "detector.tflite")


def test_every_number_is_proved() -> None:
    """Both are alive until the end; the last that is named is the report's output."""
    verification = verify(DETECTOR)
    assert verification.ok
    assert verification.count("not proved") == 0
    report = analyze(DETECTOR)
    assert (report.output.id, report.output.shape) == ("coarse.conv", (5, 8, 8))
    assert [level.id for level in report.levels] == ["fine.conv", "coarse.conv"]


def test_forms() -> None:
    """The canonical form names them, and so does the hash; another order is another network."""
    spec = load(DETECTOR)
    assert load(spec.canonical()) == loads(dump(spec)) == spec
    assert spec.canonical()["outputs"] == ["fine", "coarse"]
    assert load({**DETECTOR, "outputs": ["coarse", "fine"]}).hash != spec.hash


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"outputs": ["fine", "course"]}, r"outputs\[1\]: no item has the id 'course'. Did you mean 'coarse'"),
        ({"outputs": ["fine"]}, "outputs: needs a list of at least two ids"),
        ({"outputs": ["fine", "fine"]}, "outputs: name an item twice"),
        ({"outputs": ["c1", "fused"]}, "nothing reads 'coarse'"),
        ({"head": {"classes": 3}}, "outputs: cannot be combined with a head. Remove one of them"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], reason: str) -> None:
    """With the place and the mend."""
    with pytest.raises(SpecError, match=reason):
        load({**DETECTOR, **changes})


def test_there_is_no_classifier() -> None:
    """Classes are not of such a network, and timm's contract says so; its other points hold, of three levels on."""
    with pytest.raises(FieldspecError, match="num_classes: the spec names its outputs, so there is no classifier"):
        build(DETECTOR, num_classes=3)
    layers = [
        {**item, "tap": True} if item.get("id") in ("c1", "coarse", "fine") else item for item in DETECTOR["layers"]
    ]
    points = {point.name: point for point in timm_contract({**DETECTOR, "layers": layers})}
    assert [str(point) for point in points.values() if not point.ok] == []
    for name in ("forward_head", "num_classes=0", "global_pool", "reset_classifier"):
        assert points[name].detail.startswith("skipped: num_classes: the spec names its outputs, so there is no")
