"""Networks that learn from a teacher's answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from training_data import PLAIN, assert_same_tensors, fake, quick, silent, stopped_in_the_second_epoch, tiny

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint
from fieldspec.architectures.network.pretrained import weights as weights_that_ship
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Data
from fieldspec.training.data.statistics import Statistics, statistics
from fieldspec.training.folder.files import LAST, RUN, STATE, read_json, write_json
from fieldspec.training.folder.state import SafeState
from fieldspec.training.loop.distillation import Teacher
from fieldspec.training.loop.options import RunOptions
from fieldspec.training.recipe.document import Distillation
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.final_evaluation import evaluate_run
from fieldspec.training.run.training import train

CARD: dict[str, Any] = {"classes": [f"pattern {number}" for number in range(10)], "mean": [0.4] * 3, "std": [0.2] * 3}

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="module")
def data() -> Data:
    """Made-up images."""
    return fake()


def as_the_student_sees(images: Tensor, stats: Statistics) -> Tensor:
    """Normalized by the training set's mean and deviation."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (stats.mean, stats.std))
    return (images - mean) / std


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Of a network like `tiny`, but wider, with random weights."""
    torch.manual_seed(3)
    wide = tiny(layers=[{"conv": {"out": 16, "stride": 2}}, {"conv": {"out": 32, "stride": 2}}])
    save_checkpoint(tmp_path / "teacher.safetensors", build(wide), card=CARD)
    return str(tmp_path / "teacher.safetensors")


def teacher_of(weights: str, stats: Statistics, **settings: Any) -> tuple[Teacher, SpecNet]:
    """A teacher of ten patterns, and a student."""
    student = build(tiny())
    return Teacher([weights], Distillation(**settings), student, fake(), stats), student


def answered(weights: str, images: Tensor, temperature: float = 1) -> Tensor:
    """What a teacher makes of images that are normalized by what its card says, softened."""
    spec, state = load_checkpoint(weights)
    net = build(spec).eval()
    net.load_state_dict(state)
    logits: Tensor = net((images - 0.4) / 0.2)
    return (logits / temperature).softmax(1).detach()


def test_answers(weights: str, data: Data) -> None:
    """Softened, averaged with those to the mirror image, of images that the student normalizes in its own way."""
    stats = statistics(data.train)
    plain, _ = teacher_of(weights, stats, temperature=2)
    averaged, _ = teacher_of(weights, stats, temperature=2, flip_averaged=True)
    images = torch.rand(5, 3, 32, 32)
    x = as_the_student_sees(images, stats)
    once, mirrored = (answered(weights, view, 2) for view in (images, images.flip(3)))
    torch.testing.assert_close(plain(x), once)
    torch.testing.assert_close(averaged(x), (once + mirrored) / 2)
    assert not averaged(x).requires_grad


def test_several(weights: str, data: Data, tmp_path: Path) -> None:
    """The mean of their answers, in any order; the run names them all."""
    torch.manual_seed(4)
    save_checkpoint(tmp_path / "other", build(tiny()), card=CARD)
    both = [weights, str(tmp_path / "other")]
    stats = statistics(data.train)
    images = torch.rand(5, 3, 32, 32)
    teachers = [Teacher(order, Distillation(temperature=1), build(tiny()), data, stats) for order in (both, both[::-1])]
    expected = sum(answered(one, images) for one in both) / 2
    for teacher in teachers:
        torch.testing.assert_close(teacher(as_the_student_sees(images, stats)), expected)
    assert teachers[0].digest != teachers[1].digest
    run = train(tiny(), load_recipe(PLAIN), data, tmp_path / "run", RunOptions(teacher=both), tell=silent)
    assert run.info["teacher"] == both
    assert run.info["teacher_digest"] == teachers[0].digest


def test_loss(weights: str, data: Data) -> None:
    """The divergence in nats an image; its gradient does not shrink with the temperature; nothing at the goal."""
    logits = torch.randn(6, 10, dtype=torch.float64, requires_grad=True)
    answers = torch.randn(6, 10, dtype=torch.float64).softmax(1)
    for temperature in (1.0, 3.0):
        teacher, _ = teacher_of(weights, statistics(data.train), temperature=temperature)
        said = (logits / temperature).softmax(1)
        expected = temperature**2 * (answers * (answers / said).log()).sum(1).mean()
        torch.testing.assert_close(teacher.loss(logits, answers).double(), expected, rtol=1e-5, atol=1e-6)
        assert teacher.loss((answers.log() * temperature).float(), answers.float()).abs() < 1e-5


def test_labels_have_the_rest(weights: str, data: Data, tmp_path: Path) -> None:
    """With all the weight on the teacher, labels change nothing; with less, they do; the student comes to agree."""
    wrong = replace(data.train, labels=np.roll(data.train.labels, 1))
    nets: dict[tuple[float, bool], SpecNet] = {}
    for weight in (1.0, 0.5):
        recipe = load_recipe({**PLAIN, "epochs": 4, "distillation": {"weight": weight}, "weight_decay": {"rate": 1e-4}})
        for truth in (True, False):
            images = data if truth else replace(data, train=wrong)
            folder = tmp_path / f"{weight}-{truth}"
            run = train(tiny(), recipe, images, folder, RunOptions(full=True, teacher=weights), tell=silent)
            nets[weight, truth] = run.net
            losses = [row["train_loss"] for row in run.history]
            assert losses[-1] < 0.5 * losses[0] or weight < 1
    of_all, of_half = (
        [torch.equal(a, b) for a, b in zip(nets[w, True].parameters(), nets[w, False].parameters(), strict=True)]
        for w in (1.0, 0.5)
    )
    assert all(of_all)
    assert not any(of_half)


def test_resumed(weights: str, data: Data, tmp_path: Path) -> None:
    """To the same tensors; run and card name the teacher, whose weights are in no state."""
    recipe, options = quick(distillation={"flip_averaged": True}), RunOptions(teacher=weights)
    whole = train(tiny(), recipe, data, tmp_path / "whole", options, tell=silent)
    with pytest.raises(FieldspecError, match="in the second epoch"):
        train(tiny(), recipe, data, tmp_path / "broken", options, tell=stopped_in_the_second_epoch)
    train(tiny(), recipe, data, tmp_path / "broken", replace(options, resume=True), tell=silent)
    assert_same_tensors(tmp_path / "whole" / LAST, tmp_path / "broken" / LAST)
    card, _ = evaluate_run(whole, data)
    assert card["teacher_digest"] == whole.info["teacher_digest"]
    assert card["teacher"] == read_json(tmp_path / "whole" / RUN)["teacher"] == [weights]
    assert not any("teacher" in name for name in SafeState().load_checkpoint(tmp_path / "whole" / STATE)["state_dict"])
    with pytest.raises(FieldspecError, match=r"was started with teacher \['.*teacher\.safetensors'\], not None"):
        train(tiny(), quick(), data, tmp_path / "whole", RunOptions(resume=True), tell=silent)
    net, _ = load_checkpoint(Path(weights))
    save_checkpoint(Path(weights), build(net), card=CARD)
    with pytest.raises(FieldspecError, match=r"was started with a teacher with digest '[0-9a-f]{12}', not '"):
        train(tiny(), recipe, data, tmp_path / "whole", replace(options, resume=True), tell=silent)


def test_a_teacher_without_a_card(data: Data, tmp_path: Path) -> None:
    """It has classes without names, as many as the images have, and saw nothing that anybody knows of."""
    save_checkpoint(tmp_path / "bare", build(tiny()))
    said: list[str] = []
    train(
        tiny(), load_recipe(PLAIN), data, tmp_path / "run", RunOptions(teacher=str(tmp_path / "bare")), tell=said.append
    )
    assert not any("the teacher" in line for line in said)
    save_checkpoint(tmp_path / "few", build(tiny(), num_classes=3))
    with pytest.raises(FieldspecError, match=r"--teacher .*few: the network has 3 classes, but fake has 10"):
        train(
            tiny(), load_recipe(PLAIN), data, tmp_path / "run2", RunOptions(teacher=str(tmp_path / "few")), tell=silent
        )


def test_a_teacher_that_has_seen_what_is_held_out(weights: str, data: Data, tmp_path: Path) -> None:
    """One line says so, unless nothing is held out."""
    save_checkpoint(Path(weights), build(tiny()), card={**CARD, "data": "fake", "full": True})
    for full in (False, True):
        said: list[str] = []
        options = RunOptions(full=full, teacher=weights)
        train(tiny(), load_recipe(PLAIN), data, tmp_path / f"{full}", options, tell=said.append)
        assert full != any("the teacher was trained on the held-out images" in line for line in said)


def test_a_run_of_before(data: Data, tmp_path: Path) -> None:
    """A run whose file does not know of a setting that has come since goes on."""
    train(tiny(), quick(), data, tmp_path, tell=silent)
    info = read_json(tmp_path / RUN)
    del info["recipe"]["distillation"], info["teacher"]
    write_json(tmp_path / RUN, info)
    train(tiny(), quick(), data, tmp_path, RunOptions(resume=True), tell=silent)
    write_json(tmp_path / RUN, {**info, "recipe": {"name": "of tomorrow"}})
    with pytest.raises(FieldspecError, match=r"run\.json: this version cannot read its recipe: "):
        train(tiny(), quick(), data, tmp_path, RunOptions(resume=True), tell=silent)
    write_json(tmp_path / RUN, {})
    with pytest.raises(FieldspecError, match=r"run\.json: missing key 'schema': give 1"):
        train(tiny(), quick(), data, tmp_path, RunOptions(resume=True), tell=silent)


def test_what_goes_together(weights: str, data: Data, tmp_path: Path) -> None:
    """A recipe that says nothing of it is given the usual settings; one that does needs a teacher, of the same kind."""
    run = train(tiny(), load_recipe(PLAIN), data, tmp_path / "run", RunOptions(teacher=weights), tell=silent)
    assert run.info["recipe"]["distillation"] == {"weight": 0.9, "temperature": 4.0, "flip_averaged": False}
    with pytest.raises(
        FieldspecError, match="recipe quick uses distillation; give the teacher's weights with --teacher"
    ):
        train(tiny(), quick(distillation={}), data, tmp_path / "none", tell=silent)
    with pytest.raises(FieldspecError, match=r"was trained on other classes: 'airplane' is not one of fake's classes"):
        train(tiny(), quick(), data, tmp_path / "none", RunOptions(teacher="c1c2c3c40.fast25"), tell=silent)
    swapped = replace(data, train=replace(data.train, classes=data.train.classes[::-1]))
    with pytest.raises(FieldspecError, match=r"other classes: fake has them in another order"):
        train(tiny(), quick(), swapped, tmp_path / "none", RunOptions(teacher=weights), tell=silent)
    save_checkpoint(tmp_path / "large", build(tiny(input=[3, 48, 48])), card=CARD)
    with pytest.raises(FieldspecError, match=r"takes 3x48x48 images, but the network takes 3x32x32"):
        train(tiny(), quick(), data, tmp_path / "none", RunOptions(teacher=str(tmp_path / "large")), tell=silent)
    with pytest.raises(FieldspecError, match=r"distillation\.weight: .*a number over 0, up to 1"):
        quick(distillation={"weight": 0})


def test_the_teacher_that_is_kept(data: Data) -> None:
    """Those whom c1c2c3c40_plus.distilled learned from can be asked again, or trained again: their cards agree."""
    (card,) = (one.card for some in weights_that_ship().values() for one in some if one.tag == "distilled")
    sources = [card["teacher"][0].replace("runs", str(EXAMPLES), 1), card["teacher"][1]]
    known = replace(data, train=replace(data.train, classes=tuple(card["classes"])))
    settings = load_recipe("distilled").settings.distillation
    assert settings is not None
    teacher = Teacher(sources, settings, build(card["name"]), known, statistics(data.train))
    assert teacher.digest == card["teacher_digest"]
    card = read_json(EXAMPLES / "resnet9-teacher" / "card.json")
    assert load(str(EXAMPLES / "resnet9-teacher" / "resnet9.yaml")).hash == card["hash"]
    kept = load_recipe(EXAMPLES / "resnet9-teacher" / "teacher.yaml")
    assert kept.to_dict() == load_recipe(card["recipe"]).to_dict()
