"""Weights that ship: on the shelf with card and log, each of a spec of the catalogue, found by timm offline."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from training_data import PLAIN, fake, tiny

import fieldspec.timm_models  # noqa: F401  # registers the catalogue
from fieldspec.architectures.network import pretrained
from fieldspec.architectures.network.builder import build, create, default_cfg
from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint
from fieldspec.architectures.network.pretrained import weights
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import read_json, write_json
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.final_evaluation import evaluate_run
from fieldspec.training.run.publishing import publish_weights
from fieldspec.training.run.training import train

SHIPPED = [one for some in weights().values() for one in some]
SAID = {
    "augment", "classes", "command", "data", "date", "epochs", "extended_after", "flip_averaged_test_accuracy", "full",
    "hardware", "hash", "held_out_accuracy", "images", "initial_checkpoint", "mean", "name", "parameters", "precision",
    "processes", "recipe", "schema", "seed", "std", "teacher", "teacher_digest",
    "test_accuracy", "versions", "wall_time_s",
}  # fmt: skip


def test_every_file_belongs_to_a_card() -> None:
    """Nothing lies on the shelf that no card speaks of."""
    endings = (".safetensors", ".json", ".csv")
    expected = {f"{one.name}{ending}" for one in SHIPPED for ending in endings}
    assert {path.name for path in pretrained.FOLDER.iterdir()} == {"README.md", *expected}


def test_shipped() -> None:
    """Of all weights on the shelf: card, log and catalogue agree; timm finds them without a network."""
    for shipped in SHIPPED:
        spec, state = load_checkpoint(shipped.path)
        assert shipped.name == f"{spec.name}.{shipped.card['recipe']['name']}"
        assert spec.name in catalogue.list_models()
        assert spec.hash == shipped.card["hash"] == load(spec.name).hash
        assert set(shipped.card) == SAID
        with shipped.path.with_suffix(".csv").open() as log:
            rows = list(csv.DictReader(log))
        assert len(rows) == shipped.card["epochs"]
        net: Any = timm.create_model(shipped.name, pretrained=True)
        assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "asked", "epochs"),
    [
        ("c1c2c3c40.fast25", 0.85, 25),
        ("c1c2c3c40_plus.fast25", 0.92, 25),
        ("c1c2c3c40_searched.fast25", 0.91, 25),
        ("c1c2c3c40_plus.long", 0.945, 140),
        ("c1c2c3c40_plus.distilled", 0.9461, 26),
    ],
)
def test_the_mission_ships(name: str, asked: float, epochs: int) -> None:
    """c1c2c3c40 at 85 % or more in 25 epochs, under 200,000 parameters; its better sibling at 92, and over 94.6."""
    (card,) = (shipped.card for shipped in SHIPPED if shipped.name == name)
    assert card["test_accuracy"] >= asked
    assert card["epochs"] <= epochs
    assert card["parameters"] < 200_000
    assert (card["data"], card["images"]) == ("cifar10", 50_000)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf of one's own with weights for c1c2c3c40, and timm told of it."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    torch.manual_seed(0)
    save_checkpoint(folder / "c1c2c3c40.safetensors", build("c1c2c3c40"))
    card = {"hash": load("c1c2c3c40").hash, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "classes": ["a"] * 10}
    write_json(folder / "c1c2c3c40.json", card)
    monkeypatch.setattr(pretrained, "FOLDER", folder)
    return folder


def test_timm_finds_them(shelf: Path) -> None:
    """pretrained=True loads them, adapts another number of classes or channels, and takes mean and deviation over."""
    cfg = default_cfg(load("c1c2c3c40"))
    _, state = load_checkpoint(shelf / "c1c2c3c40.safetensors")
    net: Any = timm.create_model("fieldspec", spec="c1c2c3c40", pretrained=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert (net.pretrained_cfg["mean"], net.pretrained_cfg["std"]) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    other: Any = create("c1c2c3c40", "fieldspec", pretrained=True, pretrained_cfg=cfg, num_classes=3, in_chans=1)
    assert other.get_classifier().out_features == 3
    first = state["layers.conv1.conv.weight"].sum(1, keepdim=True)  # timm's rule for grey images
    torch.testing.assert_close(other.state_dict()["layers.conv1.conv.weight"], first)


def test_hub_folder_names_no_file(shelf: Path, tmp_path: Path) -> None:
    """The place of the weights on this machine stays out of what is saved for the hub."""
    from timm.models import save_for_hf

    net: Any = timm.create_model("fieldspec", spec=load("c1c2c3c40").to_dict(), pretrained=True)
    save_for_hf(net, str(tmp_path / "hub"), safe_serialization=True)
    text = (tmp_path / "hub" / "config.json").read_text()
    assert str(shelf) not in text
    assert json.loads(text)["pretrained_cfg"]["mean"] == [0.1, 0.2, 0.3]


def test_ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run gives three files; one that is not finished, or whose card is another's, gives none."""
    monkeypatch.setattr("fieldspec.training.run.final_evaluation.has_plots", lambda: False)
    run_folder, target = tmp_path / "run", tmp_path / "shelf"
    target.mkdir()
    data = fake()
    run = train(tiny(), load_recipe({**PLAIN, "epochs": 1}), data, run_folder, tell=lambda text: None)
    with pytest.raises(FieldspecError, match=r"has no card\.json; only a finished run can be published"):
        publish_weights(run_folder, target)
    card, _ = evaluate_run(run, data)
    assert set(card) == SAID
    assert not list(run_folder.glob("*.png"))  # where matplotlib is not installed, a run ends without pictures
    written = publish_weights(run_folder, target)
    assert [path.name for path in written] == ["tiny.recipe.safetensors", "tiny.recipe.csv", "tiny.recipe.json"]
    (shipped,) = weights(target)[tiny().hash]
    assert (shipped.name, shipped.tag, shipped.card) == ("tiny.recipe", "recipe", card)
    assert read_json(target / "tiny.recipe.json")["parameters"] == sum(p.numel() for p in build(tiny()).parameters())
    _, state = load_checkpoint(written[0])
    assert all(torch.equal(tensor, state[name]) for name, tensor in run.net.state_dict().items())
    with pytest.raises(FieldspecError, match=r"tiny\.recipe\.safetensors: already exists; delete it first"):
        publish_weights(run_folder, target)
    write_json(run_folder / "card.json", {**card, "recipe": {**card["recipe"], "name": "long"}})
    with pytest.raises(FieldspecError, match=r"its recipe differs from the built-in long; give the recipe another"):
        publish_weights(run_folder, target)
    write_json(run_folder / "card.json", {**card, "recipe": {**load_recipe("long").to_dict(), "epochs": 2, "seed": 3}})
    assert publish_weights(run_folder, target)[0].name == "tiny.long.safetensors"
    write_json(run_folder / "card.json", {**card, "hash": "0" * 64})
    with pytest.raises(FieldspecError, match=r"the weights are for spec .*, the card for 000000000000"):
        publish_weights(run_folder, target)
