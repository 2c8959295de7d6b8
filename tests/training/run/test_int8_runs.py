"""Runs in which int8 is simulated: resumed, exported, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_data import fake, silent, stopped_in_the_second_epoch, tiny
from training_runs import Train, trains_in

from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.file.exporting import export_network
from fieldspec.export.file.formats import FileFormat
from fieldspec.export.file.sources import network_of
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.final_evaluation import evaluate_run
from fieldspec.training.run.training import train

INT8: dict[str, Any] = {"quantize": "int8", "optimizer": {"adamw": {"lr": 0.001}}}


@pytest.fixture
def run(tmp_path: Path) -> Train:
    """Trains a tiny network in a folder."""
    return trains_in(tmp_path)


def test_from_trained_weights_to_a_file(run: Train, tmp_path: Path) -> None:
    """The file takes what was learned; it says of the test images what was simulated, on which the card judges."""
    before = run()
    after = run(folder="int8", recipe=INT8, initial_checkpoint=str(before.folder))
    card, _ = evaluate_run(after, fake())
    done = export_network(network_of(str(after.folder)), FileFormat.tflite_int8, tmp_path / "net.tflite", data="fake")
    assert done.card["ranges"] == "learned"
    assert done.card["simulated_accuracy"] == card["test_accuracy"]
    assert done.card["simulation_agreement"] > 0.95
    for name, statistic in before.net.named_buffers():
        assert torch.equal(statistic, after.net.get_buffer(name)), name  # norms keep theirs


def test_resumed_as_undisturbed(run: Train, tmp_path: Path) -> None:
    """Stopped in the second epoch and continued: the same weights, ranges and factors."""
    before = str(run().folder)
    whole = run(folder="whole", recipe=INT8, initial_checkpoint=before)
    recipe = load_recipe(whole.info["recipe"])
    options = RunOptions(initial_checkpoint=before)
    with pytest.raises(FieldspecError, match="in the second epoch"):
        train(tiny(), recipe, fake(), tmp_path / "halves", options, tell=stopped_in_the_second_epoch)
    train(tiny(), recipe, fake(), tmp_path / "halves", RunOptions(initial_checkpoint=before, resume=True), tell=silent)
    states = [load_file(folder / "last.safetensors") for folder in (whole.folder, tmp_path / "halves")]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    cards = [network_of(str(folder)).card for folder in (whole.folder, tmp_path / "halves")]
    assert json.dumps(cards[0]["int8"]) == json.dumps(cards[1]["int8"])


@pytest.mark.parametrize(
    ("recipe", "options", "message"),
    [
        (INT8, {}, "int8 training starts from trained weights; give them with --initial-checkpoint"),
        ({**INT8, "ema": 0.9}, {"initial_checkpoint": "any"}, "ema averages weights"),
        ({**INT8, "swa": {}}, {"initial_checkpoint": "any"}, "swa averages weights"),
        (INT8, {"initial_checkpoint": "any", "compile": True}, "remove --compile"),
    ],
)
def test_refusals(run: Train, recipe: dict[str, Any], options: dict[str, Any], message: str) -> None:
    """What does not go together is said before anything is trained."""
    with pytest.raises(FieldspecError, match=message):
        run(recipe=recipe, **options)
