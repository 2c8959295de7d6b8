"""Recipes: the ones that ship, what a broken one is told, schedules, optimizers and what decays."""

from __future__ import annotations

import re
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm.optim
import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from training_data import PLAIN, QUICK, tiny

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.network.builder import build
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.recipe.muon import BatchedMuon
from fieldspec.training.recipe.optimizers import AdamW, Muon, Sgd, WeightDecay, parameter_groups
from fieldspec.training.recipe.recipe import load_recipe, loads_recipe, recipe_names
from fieldspec.training.recipe.schedules import SCHEDULES, ConstantSchedule, OneCycleSchedule, StepSchedule
from fieldspec.training.recipe.transforms import TRANSFORMS, CoarseDropout, HorizontalFlip, ShiftScaleRotate

HEAD = "epochs: 1\noptimizer: {sgd: {lr: 0.1}}\nschedule: {constant: ~}\n"

BROKEN = [
    ("", "r.yaml:1:1: empty. A recipe needs 'epochs', 'optimizer' and 'schedule'"),
    ("- a", "r.yaml:1:1: a list, but a recipe is a mapping. Write 'key: value' lines"),
    ("a: 1\n---\nb: 1", "r.yaml:2:1: a second document. Write one recipe per file"),
    (HEAD.replace("epochs: 1\n", ""), "r.yaml:1:1: missing key 'epochs': give a whole number from 1 to 100000"),
    (HEAD + "epoch: 5", "r.yaml:4:1: epoch: unknown key. Did you mean 'epochs'?"),
    (HEAD.replace("1\n", "0\n", 1), "r.yaml:1:9: epochs: needs a whole number from 1 to 100000, gets 0"),
    (
        HEAD.replace("lr: 0.1", "lr: high"),
        "r.yaml:2:23: optimizer.sgd.lr: needs a number over 0, gets 'high'",
    ),
    (HEAD.replace("lr: 0.1", ""), "r.yaml:2:18: optimizer.sgd: missing key 'lr': give a number over 0"),
    (HEAD.replace("sgd", "sdg"), "r.yaml:2:13: optimizer.sdg: unknown optimizer. Did you mean 'sgd'?"),
    (
        HEAD.replace("{sgd: {lr: 0.1}}", "sgd"),
        "r.yaml:2:12: optimizer: needs a mapping of one name to its settings such as {sgd: {lr: 0.1}}, gets 'sgd'",
    ),
    (HEAD.replace("{lr: 0.1}", "0.1"), "r.yaml:2:18: optimizer.sgd: needs a mapping of settings, gets 0.1"),
    (
        HEAD.replace("lr: 0.1", "lr: 0.1, momentum: 0, nesterov: true"),
        "r.yaml:2:51: optimizer.sgd.nesterov: needs a momentum over 0. Set one, or remove nesterov",
    ),
    (HEAD.replace("constant", "cosine"), "r.yaml:3:12: schedule.cosine: unknown schedule. Did you mean 'one_cycle'?"),
    (
        HEAD.replace("constant: ~", "step: {at: [0.75, 0.5]}"),
        "r.yaml:3:23: schedule.step.at: needs a rising list of shares of the run such as [0.5, 0.75], gets [0.75, 0.5]",
    ),
    (
        HEAD.replace("constant: ~", "constant: {}, step: {}"),
        "r.yaml:3:11: schedule: needs exactly one name with its settings, gets 'constant', 'step'. "
        "Known: constant, one_cycle, step.",
    ),
    (
        HEAD + "weight_decay: {exclude: [bn]}",
        "r.yaml:4:25: weight_decay.exclude: needs a list of bias, norm and depthwise, gets [bn]",
    ),
    (
        HEAD + "augment:\n  - cutout: {}",
        "r.yaml:5:5: augment[0].cutout: unknown augmentation. Did you mean 'coarse_dropout'?",
    ),
    (
        HEAD + "augment: [horizontal_flip]",
        "r.yaml:4:11: augment[0]: needs a mapping of one name to its settings such as "
        "{horizontal_flip: {p: 0.5}}, gets 'horizontal_flip'",
    ),
    (
        HEAD + "augment: [{coarse_dropout: {max_holes: 1}}]",
        "r.yaml:4:29: augment[0].coarse_dropout.max_holes: unknown key. Did you mean 'holes'?",
    ),
    (
        HEAD + "augment: [{shift_scale_rotate: {rotate: [5, -5]}}]",
        "r.yaml:4:41: augment[0].shift_scale_rotate.rotate: needs a number from 0 to 180 (both directions), "
        "or [from, to] between -180 and 180, gets [5, -5]",
    ),
    (HEAD + "precision: half", "r.yaml:4:12: precision: needs auto, bfloat16 or float32, gets 'half'"),
    (HEAD + "seed: -1", "r.yaml:4:7: seed: needs a whole number from 0 to 4294967295, gets -1"),
    (HEAD + "dropout: 1", "r.yaml:4:10: dropout: needs a number from 0 to 1, 1 excluded, gets 1"),
]


@pytest.mark.parametrize(("text", "message"), BROKEN, ids=[message[:60] for _, message in BROKEN])
def test_broken(text: str, message: str) -> None:
    """Each mistake is told with its place and its mend."""
    with pytest.raises(SpecError) as error:
        loads_recipe(text, name="r.yaml")
    assert str(error.value) == message


def test_all_mistakes_at_once() -> None:
    """One line each, in the order of the text."""
    with pytest.raises(SpecError) as error:
        loads_recipe("epochs: x\noptimizer: {adam: {}}\nschedule: {step: {by: 2}}\naugment: [{flip: {}}]\nmixup: -1")
    lines = [line.split(": ")[1] for line in str(error.value).splitlines()]
    assert lines == ["epochs", "optimizer.adam", "schedule.step", "schedule.step.by", "augment[0].flip", "mixup"]


def test_where_recipes_are_looked_for(tmp_path: Path) -> None:
    """A name, a file, a dict, a recipe; each way to miss has its words."""
    (tmp_path / "mine.yaml").write_text(HEAD)
    mine = load_recipe(tmp_path / "mine.yaml")
    assert load_recipe(mine) is mine
    assert load_recipe(mine.to_dict()) == mine
    with pytest.raises(FieldspecError, match=r"'fast' is neither a built-in recipe nor a file\. Did you mean 'fast25'"):
        load_recipe("fast")
    with pytest.raises(FieldspecError, match=r"nowhere\.yaml: no such file"):
        load_recipe("nowhere.yaml")
    with pytest.raises(FieldspecError, match="is a folder"):
        load_recipe(tmp_path)
    (tmp_path / "bad.yaml").write_text("epochs: 0")
    with pytest.raises(SpecError, match=r"bad\.yaml:1:9: epochs: needs"):
        load_recipe(tmp_path / "bad.yaml")


@pytest.mark.parametrize("name", recipe_names())
def test_recipes_that_ship(name: str) -> None:
    """Each loads under its own name, and survives being written down with every default."""
    recipe = load_recipe(name)
    assert recipe.settings.name == name
    assert recipe.settings.description
    again = load_recipe(recipe.to_dict())
    assert again.to_dict() == recipe.to_dict()


def test_what_the_seed_project_did() -> None:
    """25 epochs of 128 at a constant rate, the three augmentations of its objectives, the spec's own dropout."""
    recipe = load_recipe("seed")
    assert (recipe.settings.epochs, recipe.settings.batch_size, recipe.settings.dropout) == (25, 128, None)
    assert isinstance(recipe.optimizer, Sgd)
    assert recipe.optimizer.lr == 0.1
    assert isinstance(recipe.schedule, ConstantSchedule)
    flip, affine, hole = recipe.augment
    assert isinstance(flip, HorizontalFlip)
    assert isinstance(affine, ShiftScaleRotate)
    assert isinstance(hole, CoarseDropout)
    assert (hole.holes, hole.height, hole.width, hole.fill) == (1, 16, 16, "mean")


@pytest.mark.parametrize(("page", "name"), [("training", "mine"), ("training-small-data", "few")])
def test_the_recipes_of_the_pages(page: str, name: str) -> None:
    """What the documentation shows can be used."""
    shown = (Path(__file__).parents[3] / "docs" / f"{page}.md").read_text(encoding="utf-8")
    texts = [block for block in re.findall(r"^```yaml\n(.*?)^```$", shown, re.M | re.S) if "optimizer:" in block]
    assert name in [loads_recipe(text).settings.name for text in texts]


def test_override() -> None:
    """Settings from the command line are held to the same rules; None says nothing."""
    recipe = load_recipe(PLAIN)
    assert recipe.override(epochs=None) is recipe
    assert recipe.override(epochs=7, seed=3).settings.epochs == 7
    with pytest.raises(SpecError, match="epochs: needs a whole number from 1 to 100000, gets 0"):
        recipe.override(epochs=0)
    changed = recipe.override(lr=0.5, weight_decay=0.25, batch_size=7)
    assert (changed.optimizer.lr, changed.settings.weight_decay.rate, changed.settings.batch_size) == (0.5, 0.25, 7)
    assert changed.override(lr=recipe.optimizer.lr, weight_decay=0.0, batch_size=32) == recipe
    with pytest.raises(SpecError, match=r"optimizer\.sgd\.lr: needs a number over 0, gets -1"):
        recipe.override(lr=-1.0)


SHARES = st.floats(0, 1, allow_nan=False)


@draws(100)
@given(
    progress=SHARES, warmup=st.floats(0, 0.99), start=SHARES, end=SHARES, shape=st.sampled_from(["linear", "cosine"])
)
def test_one_cycle_keeps_within_its_bounds(
    progress: float, warmup: float, start: float, end: float, shape: Any
) -> None:
    """Never over the rate, never under where it starts and ends; at the end, the end."""
    schedule = OneCycleSchedule(warmup=warmup, start=start, end=end, shape=shape)
    assert min(start, end) - 1e-9 <= schedule.factor(progress) <= 1 + 1e-9
    assert schedule.factor(1.0) == pytest.approx(end)


def test_schedules_by_hand() -> None:
    """The rate of `fast25` at its corners, and that of a staircase."""
    fast = load_recipe("fast25").schedule
    assert [fast.factor(done) for done in (0, 0.2, 0.6, 1)] == pytest.approx([0.05, 1, 0.5, 0])
    assert OneCycleSchedule(warmup=0, end=0.1, shape="cosine").factor(0.5) == pytest.approx(0.55)
    assert StepSchedule(at=(0.5,), by=0.1).factor(0.499) == 1.0
    assert set(SCHEDULES) == {"constant", "one_cycle", "step"}


def test_what_decays() -> None:
    """Every parameter is in one group; biases, norms and depthwise kernels can be left out."""
    net = build({"input": [3, 8, 8], "layers": [{"depthwise_separable": {"out": 8}}], "head": {"classes": 2}})
    names = {id(parameter): name for name, parameter in net.named_parameters()}

    def kept(*exclude: Any) -> set[str]:
        groups: Any = parameter_groups(net, WeightDecay(rate=0.1, exclude=exclude))
        assert sum(len(group["params"]) for group in groups) == len(names)
        assert groups[0]["weight_decay"] == 0.1
        assert all(group["weight_decay"] == 0 for group in groups[1:])
        return {names[id(parameter)] for group in groups[1:] for parameter in group["params"]}

    assert kept() == set()
    assert kept("bias") == {"head.fc.bias"}
    norms = kept("norm")
    assert len(norms) == 4
    assert all("norm" in name for name in norms)
    assert kept("depthwise") == {"layers.depthwise_separable1.depthwise.conv.weight"}


def test_a_network_may_exempt_parameters_itself() -> None:
    """timm's no_weight_decay is heard."""

    class Own(nn.Linear):
        def no_weight_decay(self) -> set[str]:
            return {"weight"}

    groups: Any = parameter_groups(Own(2, 2), WeightDecay(rate=0.1))
    assert [len(group["params"]) for group in groups] == [1, 1]


def test_optimizers() -> None:
    """torch's own, with the settings of the recipe."""
    groups = parameter_groups(build(tiny()), WeightDecay(rate=0.01))
    sgd = Sgd(lr=0.1, nesterov=True).make(groups)
    assert isinstance(sgd, torch.optim.SGD)
    assert (sgd.defaults["lr"], sgd.defaults["momentum"], sgd.defaults["nesterov"]) == (0.1, 0.9, True)
    adamw = AdamW(lr=1e-3, betas=(0.8, 0.99)).make(groups)
    assert isinstance(adamw, torch.optim.AdamW)
    assert adamw.defaults["betas"] == (0.8, 0.99)
    muon = Muon(lr=0.01).make(groups)
    assert isinstance(muon, timm.optim.Muon)
    assert (muon.defaults["lr"], muon.defaults["momentum"], muon.defaults["nesterov"]) == (0.01, 0.95, True)
    assert [group["weight_decay"] for group in muon.param_groups] == [0.01]


def test_muon_makes_updates_orthogonal_where_there_is_a_matrix() -> None:
    """A convolution's update has singular values of one size; depthwise weights and norms are left to AdamW."""
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 8, 3, bias=False)
    net = nn.Sequential(conv, nn.Conv2d(8, 8, 3, groups=8, bias=False), nn.BatchNorm2d(8))
    before = conv.weight.detach().clone()
    optimizer = Muon(lr=0.1).make(parameter_groups(net, WeightDecay()))
    net(torch.randn(4, 4, 8, 8)).square().sum().backward()
    optimizer.step()
    sizes = torch.linalg.svdvals((conv.weight - before).detach().flatten(1))
    assert sizes.max() < 1.5 * sizes.min()
    routed = [optimizer.state[parameter]["use_muon"] for parameter in net.parameters()]
    assert routed == [True, False, False, False]


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_muon_is_timms(layout: torch.memory_format, nesterov: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """All matrices of one size at once come to what timm computes one after the other, in float32 as well."""
    alone = partial(timm.optim.muon.zeropower_via_newtonschulz, dtype=torch.float32)
    monkeypatch.setattr(timm.optim.muon, "zeropower_via_newtonschulz", alone)
    torch.manual_seed(0)
    nets = [build("c1c2c3c40").to(memory_format=layout)]
    nets.append(deepcopy(nets[0]))
    kinds = (BatchedMuon, timm.optim.Muon)
    settings: dict[str, Any] = {"lr": 0.01, "weight_decay": 0.02, "nesterov": nesterov}
    optimizers: list[torch.optim.Optimizer] = [
        kind(net.parameters(), **settings) for kind, net in zip(kinds, nets, strict=True)
    ]
    for _ in range(3):
        for ours, theirs in zip(*[list(net.parameters()) for net in nets], strict=True):
            ours.grad = torch.randn_like(ours)
            theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for ours, theirs in zip(*[list(net.parameters()) for net in nets], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_every_section_is_written_down() -> None:
    """A recipe that uses everything says everything."""
    data = load_recipe(QUICK).to_dict()
    assert set(QUICK) < set(data)
    assert [next(iter(item)) for item in data["augment"]] == ["horizontal_flip", "shift_scale_rotate", "coarse_dropout"]
    assert set(TRANSFORMS) >= {"horizontal_flip", "shift_scale_rotate", "coarse_dropout", "random_crop"}
