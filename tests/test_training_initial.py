"""Runs that begin from trained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_data import PLAIN, fake, tiny

from fieldspec.architectures.builder import build
from fieldspec.architectures.checkpoint import load_checkpoint, save_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.files import read_json
from fieldspec.training.initial import begin_from
from fieldspec.training.options import Options
from fieldspec.training.recipe import load_recipe
from fieldspec.training.running import train


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Of `tiny`, with random weights."""
    torch.manual_seed(7)
    save_checkpoint(tmp_path / "before.safetensors", build(tiny()))
    return tmp_path / "before.safetensors"


def test_a_run_begins_there(checkpoint: Path, tmp_path: Path) -> None:
    """At a rate of next to nothing it ends where it began; the card and a resumed run know of it."""
    recipe = load_recipe({**PLAIN, "epochs": 1, "optimizer": {"sgd": {"lr": 1e-9}}})
    options = Options(initial_checkpoint=str(checkpoint))
    run = train(tiny(), recipe, fake(), tmp_path / "run", options, tell=lambda text: None)
    _, before = load_checkpoint(checkpoint)
    for name, parameter in run.net.named_parameters():
        torch.testing.assert_close(parameter.data, before[name], atol=1e-5, rtol=0)
    assert read_json(tmp_path / "run" / "run.json")["initial_checkpoint"] == str(checkpoint)
    checkpoint.unlink()  # the state has taken its place
    train(tiny(), recipe, fake(), tmp_path / "run", replace(options, resume=True), tell=lambda text: None)
    with pytest.raises(FieldspecError, match=r"was begun with initial_checkpoint '.*before\.safetensors', not None"):
        train(tiny(), recipe, fake(), tmp_path / "run", Options(resume=True), tell=lambda text: None)


def test_weights_that_ship() -> None:
    """By their name; with other classes everything but the classifier is theirs."""
    net, other = build("c1c2c3c40"), build("c1c2c3c40", num_classes=3)
    fresh = other.state_dict()["head.fc.weight"].clone()
    for one in (net, other):
        begin_from(one, "c1c2c3c40.seed")
    state, changed = net.state_dict(), other.state_dict()
    assert all(torch.equal(changed[name], state[name]) for name in state if not name.startswith("head.fc."))
    assert torch.equal(changed["head.fc.weight"], fresh)


def test_another_network(checkpoint: Path) -> None:
    """The first tensor that differs is named."""
    with pytest.raises(
        FieldspecError, match=r"before\.safetensors: weights of another network; layers\.\S+ is .+ here"
    ):
        begin_from(build("c1c2c3c40"), str(checkpoint))
    with pytest.raises(FieldspecError, match=r"no such weights ship\. Did you mean 'c1c2c3c40\.fast25'"):
        begin_from(build("c1c2c3c40"), "c1c2c3c40.fast")
