"""Every field of every file that is read back, replaced by whatever JSON has: an answer, or one line that says why."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from training_data import PLAIN, tiny

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import save_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.evaluation.trained_networks import load_trained
from fieldspec.training.folder.files import CARD, LAST, RUN
from fieldspec.training.folder.run_record import fingerprint, read_record
from fieldspec.training.folder.state import SafeState, read_state
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.publishing import publish_weights

CHANNELS, CLASSES = 3, 10
WEIGHTS_CARD: dict[str, Any] = {
    "classes": [f"class {number}" for number in range(CLASSES)],
    "mean": [0.5] * CHANNELS,
    "std": [0.25] * CHANNELS,
    "data": "fake",
    "digest": "0" * 32,
    "full": False,
    "recipe": load_recipe(PLAIN).to_dict(),
    "seed": 0,
}
RECORD: dict[str, Any] = {
    **WEIGHTS_CARD,
    "schema": 1,
    "name": "tiny",
    "hash": tiny().hash,
    "spec": tiny().to_dict(),
    "data_source": "fake",
    "images": 576,
    "augment": "host",
    "initial_checkpoint": None,
    "teacher": None,
    "teacher_digest": None,
    "extended_after": [],
    "processes": 1,
    "precision": "float32",
    "command": "fieldspec train tiny.yaml",
    "hardware": "a processor, 1 threads",
    "versions": {"python": "3.11", "torch": "2.14"},
    "date": "2026-11-29",
}
RUN_CARD: dict[str, Any] = {
    "schema": 1,
    "hash": tiny().hash,
    "name": "tiny",
    "recipe": {**load_recipe(PLAIN).to_dict(), "name": "plain"},
    "test_accuracy": 0.5,
}
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 10**400, 1e308, math.nan, math.inf])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of every field, the whole included."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, one in inner for place in places(one, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A copy with another value at a place; None of a key that is taken away is `...`."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else dict(enumerate(value))
    copy[path[0]] = replaced(copy[path[0]], path[1:], new)
    copy = {key: one for key, one in copy.items() if one is not ...}
    return copy if isinstance(value, dict) else list(copy.values())


def altered(document: dict[str, Any]) -> st.SearchStrategy[Any]:
    """With one field replaced, or taken away."""
    return st.builds(replaced, st.just(document), st.sampled_from(places(document)[1:]), VALUES | st.just(...)) | VALUES


def names_the_file(error: FieldspecError, path: Path) -> None:
    """First of all."""
    assert str(error).startswith(str(path))


def one_line(error: FieldspecError) -> None:
    """What a person gets to read."""
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)


@draws(150)
@given(data=altered(RECORD))
def test_run_json(data: Any) -> None:
    """What is read has the types that a run writes, and a fingerprint."""
    with TemporaryDirectory() as place:
        (Path(place) / RUN).write_text(json.dumps(data))
        try:
            record = read_record(Path(place))
        except FieldspecError as error:
            names_the_file(error, Path(place) / RUN)
        else:
            assert len(fingerprint(record)) == 32
            assert all(0 < value < math.inf for value in record["std"])


@cache
def weights() -> dict[str, Any]:
    """Of the tiny network."""
    torch.manual_seed(0)
    return dict(build(tiny()).state_dict())


@draws(60)
@given(card=altered(WEIGHTS_CARD))
def test_the_card_in_the_weights(card: Any) -> None:
    """A network that is loaded can be asked: as many names as logits, deviations that can be divided by."""
    with TemporaryDirectory() as place:
        path = Path(place) / LAST
        net = build(tiny())
        net.load_state_dict(weights())
        save_checkpoint(path, net, card={"x": card} if not isinstance(card, dict) else card)
        try:
            network = load_trained(str(path))
        except FieldspecError as error:
            one_line(error)
            return
        assert len(network.classes) == CLASSES
        assert len(network.mean) == len(network.std) == CHANNELS
        assert all(0 < value < math.inf for value in network.std)
        assert all(math.isfinite(value) for value in network.mean)
        assert all(isinstance(name, str) for name in network.classes)


@draws(60)
@given(card=altered(RUN_CARD))
def test_the_card_of_a_run(card: Any) -> None:
    """What is published has a card that says what a card has to say."""
    with TemporaryDirectory() as place:
        folder = Path(place)
        save_checkpoint(folder / LAST, build(tiny()))
        (folder / CARD).write_text(json.dumps(card))
        (folder / "log.csv").write_text("epoch\n1\n")
        (shelf := folder / "shelf").mkdir()
        try:
            publish_weights(folder, shelf)
        except FieldspecError:
            assert not list(shelf.iterdir())
        else:
            assert len(list(shelf.iterdir())) == 3


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda tensor: tensor * math.nan, "contains values that are not finite"),
        (lambda tensor: tensor / 0, "contains values that are not finite"),
        (lambda tensor: tensor.int(), r"has dtype torch\.int32, but the network's is torch\.float32"),
        (lambda tensor: tensor.to(torch.complex64), r"has dtype torch\.complex64"),
        (lambda tensor: tensor[:1], "the spec needs"),
    ],
    ids=["nan", "infinity", "int32", "complex", "cut"],
)
def test_weights_that_cannot_be(spoil: Any, words: str, tmp_path: Path) -> None:
    """NaN, infinity, whole numbers and other shapes are refused when they are loaded."""
    net = build(tiny())
    save_checkpoint(tmp_path / LAST, net)
    from safetensors import safe_open

    with safe_open(tmp_path / LAST, framework="pt") as file:
        metadata = {key: text for key, text in file.metadata().items() if key != "digest"}  # as others write it
    tensors = load_file(tmp_path / LAST)
    name = next(name for name, tensor in tensors.items() if tensor.dim() == 4)
    save_file({**tensors, name: spoil(tensors[name] + 1)}, tmp_path / LAST, metadata=metadata)
    with pytest.raises(FieldspecError, match=words) as error:
        load_trained(str(tmp_path / LAST))
    one_line(error.value)


STATE: dict[str, Any] = {
    "epoch": 1,
    "callbacks": {"EpochFiles": {"run": "0" * 32, "history": [], "best": -1.0}},
    "state_dict": {"weight": torch.arange(8.0)},
    "loops": {},
}


@draws(150)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_state_with_a_changed_byte(place: float, bit: int, cut: bool) -> None:
    """Never resumed from, wherever the change is."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        SafeState().save_checkpoint(STATE, path)
        content = bytearray(path.read_bytes())
        at = int(place * len(content))
        content[at] ^= 1 << bit
        path.write_bytes(content[: at + 1] if cut else content)
        with pytest.raises(FieldspecError) as error:
            read_state(path)
        one_line(error.value)


@draws(150)
@given(state=altered({key: value for key, value in STATE.items() if key != "state_dict"}))
def test_a_state_of_other_fields(state: Any) -> None:
    """Whole, by its digest, and not what a run has saved."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        SafeState().save_checkpoint(state, path)
        try:
            saved = read_state(path)
        except FieldspecError as error:
            one_line(error)
        else:
            assert isinstance(saved.epochs, int)


@draws(100)
@given(recipe=altered(load_recipe(PLAIN).to_dict()))
def test_a_recipe(recipe: Any) -> None:
    """Each problem has its line; what loads survives being written down."""
    try:
        loaded = load_recipe(recipe if isinstance(recipe, dict) else {"epochs": recipe})
    except FieldspecError:
        return
    assert load_recipe(loaded.to_dict()) == loaded
