"""Runs that begin from trained weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_data import PLAIN, fake, tiny

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.folder.files import read_json
from fieldspec.training.loop.initial_weights import begin_from
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.training import train


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Of `tiny`, with random weights."""
    torch.manual_seed(7)
    save_checkpoint(tmp_path / "before.safetensors", build(tiny()))
    return tmp_path / "before.safetensors"


def test_a_run_begins_there(checkpoint: Path, tmp_path: Path) -> None:
    """At a rate of next to nothing it ends where it began; the card and a resumed run know of it."""
    recipe = load_recipe({**PLAIN, "epochs": 1, "optimizer": {"sgd": {"lr": 1e-9}}})
    options = RunOptions(initial_checkpoint=str(checkpoint))
    run = train(tiny(), recipe, fake(), tmp_path / "run", options, tell=lambda text: None)
    _, before = load_checkpoint(checkpoint)
    for name, parameter in run.net.named_parameters():
        torch.testing.assert_close(parameter.data, before[name], atol=1e-5, rtol=0)
    assert read_json(tmp_path / "run" / "run.json")["initial_checkpoint"] == str(checkpoint)
    checkpoint.unlink()  # the state has taken its place
    train(tiny(), recipe, fake(), tmp_path / "run", replace(options, resume=True), tell=lambda text: None)
    with pytest.raises(FieldspecError, match=r"was started with initial_checkpoint '.*before\.safetensors', not None"):
        train(tiny(), recipe, fake(), tmp_path / "run", RunOptions(resume=True), tell=lambda text: None)


def test_weights_that_ship() -> None:
    """By their name; with other classes, or as many of another name, everything but the classifier is theirs."""
    card = load_trained("c1c2c3c40.seed", pretrained=True).card
    ten, three = fake(), replace(fake(), train=Images(fake().train.pixels, fake().train.labels % 3, ("a", "b", "c")))
    same = replace(ten, train=replace(ten.train, classes=tuple(card["classes"])))
    net = build("c1c2c3c40")
    begin_from(net, "c1c2c3c40.seed", same, full=False)
    state = net.state_dict()
    for data in (ten, three):
        other = build("c1c2c3c40", num_classes=len(data.train.classes))
        fresh = other.state_dict()["head.fc.weight"].clone()
        begin_from(other, "c1c2c3c40.seed", data, full=False)
        changed = other.state_dict()
        assert all(torch.equal(changed[name], state[name]) for name in state if not name.startswith("head.fc."))
        assert torch.equal(changed["head.fc.weight"], fresh)
        assert not torch.equal(changed["head.fc.weight"], state["head.fc.weight"][: len(fresh)])


def test_nothing_is_held_out_that_they_have_seen(tmp_path: Path) -> None:
    """Weights that were trained on all of the images are refused unless the run takes all of them."""
    data, path = fake(), tmp_path / "full.safetensors"
    save_checkpoint(path, build(tiny()), card={"data": "fake", "full": True, "classes": list(data.train.classes)})
    with pytest.raises(FieldspecError, match=r"was trained on the images that this run would hold out.*; give --full"):
        begin_from(build(tiny()), str(path), data, full=False)
    begin_from(build(tiny()), str(path), data, full=True)
    begin_from(build(tiny()), str(path), replace(data, held_out=data.test), full=False)


def test_another_network(checkpoint: Path) -> None:
    """The first tensor that differs is named."""
    with pytest.raises(
        FieldspecError, match=r"before\.safetensors: weights of another network; layers\.\S+ is .+ here"
    ):
        begin_from(build("c1c2c3c40"), str(checkpoint), fake(), full=False)
    with pytest.raises(FieldspecError, match=r"no such pretrained weights\. Did you mean 'c1c2c3c40\.fast25'"):
        begin_from(build("c1c2c3c40"), "c1c2c3c40.fast", fake(), full=False)
