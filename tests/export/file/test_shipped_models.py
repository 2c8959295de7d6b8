"""The int8 files that ship: what their cards and the docs say of them is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from fieldspec.analysis.inference.engine import engine_report
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.engines.tflm import measured_arena
from fieldspec.export.file.images import random_images
from fieldspec.export.file.running import FOLDER, load_tflite
from fieldspec.export.file.sources import network_of
from fieldspec.export.litert.metadata import flash_in, said_in

NAMES = ("c1c2c3c40.int8.tflite", "c1c2c3c40_plus.int8.tflite")
LARGEST = 350_000  # bytes
ROW = re.compile(r"^\| `([\w.]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) % \| ([\d.]+) % \|", re.MULTILINE)


def card_of(name: str) -> dict[str, Any]:
    """Beside its file."""
    card: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return card


def test_which_ship() -> None:
    """Each has a card, and nothing else is there."""
    assert {path.name for path in FOLDER.iterdir()} == {file for name in NAMES for file in (name, f"{name}.json")}


@pytest.mark.parametrize("name", NAMES)
def test_bytes(name: str) -> None:
    """The file's, the engine's and the analysis' agree with the card; the file says of itself what the card says."""
    card, model = card_of(name), (FOLDER / name).read_bytes()
    report = engine_report(load(card["name"]).graph)
    assert len(model) == card["bytes"] < LARGEST
    assert flash_in(model) == card["engine"]["flash"] == report.flash
    assert measured_arena(model).head == card["engine"]["arena_head"] == card["engine"]["sram"]["planned"]
    assert card["engine"]["sram"]["planned"] == report.plan.size
    said = said_in(model)
    assert said == {key: card[key] for key in said}
    assert said["hash"] == load(card["name"]).hash


@pytest.mark.parametrize("name", NAMES)
def test_answers(name: str) -> None:
    """Found by its bare name, it answers nearly as the weights that it was made from."""
    network, original = load_tflite(name), network_of(card_of(name)["name"], pretrained=True)
    images = torch.from_numpy(random_images(network, 64))
    with torch.no_grad():
        own, theirs = network.net(images), original.net(images)
    assert network.classes == original.classes
    cosine = torch.nn.functional.cosine_similarity(own - own.mean(1, True), theirs - theirs.mean(1, True))
    assert cosine.mean() > 0.97


def test_an_unknown_name() -> None:
    """Those that ship are named."""
    with pytest.raises(FieldspecError, match=r"no such file\. Pretrained: c1c2c3c40\.int8\.tflite, "):
        load_tflite("c1c2c3c41.int8.tflite")


def test_the_table_of_the_docs() -> None:
    """Its figures are those of the cards."""
    page = (Path(__file__).parents[3] / "docs" / "engines.md").read_text(encoding="utf-8")
    rows = ROW.findall(page)
    assert tuple(name for name, *_ in rows) == NAMES
    for name, size, flash, arena, accuracy, in_float in rows:
        card = card_of(name)
        bytes_of = (card["bytes"], card["engine"]["flash"], card["engine"]["arena_head"])
        assert tuple(int(number.replace(",", "")) for number in (size, flash, arena)) == bytes_of
        assert float(accuracy) == round(100 * card["test_accuracy"], 2)
        assert float(in_float) == round(100 * card["float_accuracy"], 2)
