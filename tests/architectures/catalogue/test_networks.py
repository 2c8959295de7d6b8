"""Every network of the catalogue: read, laid out, built, written, measured, and one of timm's models."""

from typing import Any

import pytest

import fieldspec as fs
from fieldspec.architectures.contract import timm_contract
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.other_input import at_input
from fieldspec.architectures.spec.spec import ArchitectureSpec

# A verification runs the network some thirty times. So here are smaller members of the families whose default is large,
# smaller images, and networks of up to so many layers; benchmarks/catalogue.py verifies all, as they are.
MOST_LAYERS = 200
SMALLER: dict[str, dict[str, Any]] = {
    "convmixer": {"width": 32},
    "convnext_tiny": {"width": 16},
    "edsr": {"width": 8, "depth": 2},
    "resnet18": {"width": 16},
    "resnet34": {"width": 8},
    "unet": {"width": 4, "size": 64},
}
SIZE = 64  # pixels
MOST_LINES, LONGER = 60, {"googlenet", "inception_v3"}
CONTRACT = ["edsr", "lenet5", "resnet20"]  # of the others: fieldspec verify NAME --timm


def smaller(name: str) -> ArchitectureSpec:
    """A member of the family, on an input, that can be run many times."""
    spec = fs.load(name, **SMALLER.get(name, {}))
    large = len(spec.input) == 3 and max(spec.input[1:]) > SIZE
    return at_input(spec, (spec.input[0], SIZE, SIZE)) if large else spec


@pytest.mark.parametrize("name", fs.list_models())
def test_network(name: str) -> None:
    """Loaded, checked, analysed, built without weights, written and read."""
    spec = fs.load(name)
    assert spec.name == name
    assert [str(result) for result in fs.check(spec)] == []
    report = fs.analyze(spec)
    assert (report.features.is_proven, report.macs_status) == (True, "exact")
    net = fs.build(spec, device="meta")
    assert sum(weight.numel() for weight in net.parameters()) == report.params
    assert fs.loads(fs.dump(spec)) == spec


@pytest.mark.parametrize("name", [name for name in fs.list_models() if len(fs.analyze(name).layers) <= MOST_LAYERS])
def test_every_number_is_proved(name: str) -> None:
    """Totals, every layer's shape and costs, and the field of the features, measured on the built network."""
    verification = fs.verify(smaller(name), layers=())
    assert [str(check) for check in verification.checks if check.verdict != "proved"] == []


@pytest.mark.parametrize("name", CONTRACT)
def test_contract(name: str) -> None:
    """timm's contract, in full."""
    points = timm_contract(smaller(name))
    assert [str(point) for point in points if not point.ok] == []


@pytest.mark.parametrize("name", fs.list_models())
def test_file(name: str) -> None:
    """It begins with what it is, and is short enough to be read."""
    lines = catalogue.path(name).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert name in LONGER or len(lines) <= MOST_LINES
    assert max(map(len, lines)) <= 128
