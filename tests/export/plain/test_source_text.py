"""The plain Python file: formatted, the same state dict, the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from catalogue_networks import CHEAP_NETWORKS
from draws import draws
from hypothesis import given
from strategies import specs
from torch import nn

import fieldspec as fs
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.file.checks import ExportError, check_plain
from fieldspec.export.file.images import random_images
from fieldspec.export.file.sources import network_of
from fieldspec.export.plain.leaves import leaf
from fieldspec.export.plain.source_text import source_text


def plain_net(text: str) -> nn.Module:
    """The network that a file's text defines."""
    names: dict[str, Any] = {"__name__": "plain"}
    exec(text, names)
    found: nn.Module = names["Net"]()
    return found


@given(specs())
@draws(40)
def test_random_specs(document: dict[str, Any]) -> None:
    """Every block and layer has a plain form: the state dict fits, in its order, and the bits are the same."""
    net = fs.build(document).eval()
    plain = plain_net(source_text(net, "drawn")).eval()
    assert list(plain.state_dict()) == list(net.state_dict())
    plain.load_state_dict(net.state_dict())
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, *net.spec.input)).astype(np.float32))
    with torch.no_grad():
        assert torch.equal(plain(images), net(images))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain file of each network."""
    folder = tmp_path_factory.mktemp("files")
    for name in CHEAP_NETWORKS:
        (folder / f"{name}.py").write_text(source_text(fs.build(name), name))
    return folder


@pytest.fixture(scope="module")
def shapes(files: Path) -> dict[str, list[int]]:
    """What each file's network answers with, in a process in which fieldspec cannot be imported."""
    sizes = {name: fs.load(name).input for name in CHEAP_NETWORKS}
    code = (
        "import importlib, json, sys, torch; sys.modules['fieldspec'] = None\n"
        "ask = lambda name, size: importlib.import_module(name).Net().eval()(torch.zeros(1, *size)).shape\n"
        f"print(json.dumps({{name: ask(name, size) for name, size in {sizes}.items()}}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=files, capture_output=True, text=True, check=True)
    found: dict[str, list[int]] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("name", CHEAP_NETWORKS)
def test_catalogue(name: str, files: Path, shapes: dict[str, list[int]]) -> None:
    """Formatted as ruff does at 120 columns, and run without fieldspec."""
    path = files / f"{name}.py"
    root = Path(__file__).parents[3]
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["format", "--check"], ["check", "--select", "F,E9,I"]):
        done = subprocess.run(
            [*ruff, *command, "--config", str(root / "pyproject.toml"), str(path)], capture_output=True
        )
        assert done.returncode == 0, done.stdout.decode()
    graph = fs.load(name).graph
    assert shapes[name] == [1, *graph.nodes[graph.output].shape]


def test_torch_is_imported_wherever_it_is_named() -> None:
    """A trained factor a channel needs it, though nothing is concatenated."""
    net = fs.build({"input": [3, 8, 8], "layers": [{"conv": {"out": 4}}, {"scale": {}}], "head": {"classes": 2}}).eval()
    text = source_text(net, "scaled")
    assert "torch.cat" not in text
    plain = plain_net(text).eval()
    plain.load_state_dict(net.state_dict())
    images = torch.ones(1, 3, 8, 8)
    assert torch.equal(plain(images), net(images))


def test_what_has_no_plain_form() -> None:
    """It is named."""
    with pytest.raises(FieldspecError, match="LSTM has no plain form"):
        leaf(nn.LSTM(4, 4), set())


def test_the_check_can_fail() -> None:
    """A text of another network is found out."""
    network = network_of("c1c2c3c40")
    other = source_text(fs.build("c1c2c3c40_wide"), "other")
    with pytest.raises(ExportError, match="does not load the weights"):
        check_plain(other, network, random_images(network))
    changed = source_text(network.net, "changed").replace("nn.ReLU()", "nn.ReLU6()")
    norm: Any = network.net.layers.get_submodule("conv1.norm")
    norm.running_var.fill_(1e-6)  # so large values that 6 cuts them off
    with pytest.raises(ExportError, match="outputs are not bit-identical"):
        check_plain(changed, network, random_images(network))
