"""Evaluation: figures worked by hand and by torchmetrics, the pictures, loading weights, predicting files."""

from __future__ import annotations

import base64
import io
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.models import generate_default_cfgs
from torchmetrics.functional.classification import multiclass_calibration_error
from training_data import PLAIN, colored, fake, tiny

from fieldspec.architectures.network import pretrained, timm_models
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import save_checkpoint
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.evaluation import image_grids, plots
from fieldspec.training.evaluation.evaluation import Evaluation, evaluate
from fieldspec.training.evaluation.evaluation_files import draw_samples, report
from fieldspec.training.evaluation.mistakes import mistakes
from fieldspec.training.evaluation.prediction import predict
from fieldspec.training.evaluation.trained_networks import describe, load_trained
from fieldspec.training.folder.files import read_json, write_json
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.training import train

NAMES = tuple(f"class {n}" for n in range(10))
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def judged(count: int = 60, classes: int = 10) -> tuple[Evaluation, Images]:
    """Answers that are wrong now and then, and the images."""
    random = np.random.default_rng(1)
    labels = random.integers(0, classes, count)
    logits = random.normal(0, 1, (count, classes)) + 2 * np.eye(classes)[labels]
    chances = torch.from_numpy(logits).float().softmax(1).numpy()
    names = tuple(f"class {n}" for n in range(classes))
    images = Images(colored(labels.tolist(), 32, 0), labels, names)
    return Evaluation(names, labels, chances, chances, 1.0), images


def test_by_hand() -> None:
    """Three images of two classes, one of them wrong."""
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]], np.float32)
    flipped = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]], np.float32)
    result = Evaluation(("cat", "dog"), np.array([0, 1, 1]), chances, flipped, 0.5)
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.flip_accuracy == 1.0
    assert result.confusion.tolist() == [[1, 0], [1, 1]]
    assert result.per_class == {"cat": 1.0, "dog": 0.5}
    assert result.calibration_error == pytest.approx((0.1 + 0.6 + 0.2) / 3)  # each alone in its bin
    assert "accuracy 66.67 %, loss 0.5000 on 3 images\nflip-averaged accuracy 100.00 %" in str(result)
    assert result.to_dict()["calibration_error_15_bins"] == pytest.approx(0.3)
    bins = result.to_dict()["calibration_bins"]
    assert len(bins) == 15
    assert {n: one for n, one in enumerate(bins) if one["images"]} == {
        8: {"images": 1, "confidence": pytest.approx(0.6), "accuracy": 0.0},
        11: {"images": 1, "confidence": pytest.approx(0.8), "accuracy": 1.0},
        13: {"images": 1, "confidence": pytest.approx(0.9), "accuracy": 1.0},
    }


def test_mistakes_by_hand() -> None:
    """The most confident first, by number and by file."""
    chances = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]], np.float32)
    result = Evaluation(("cat", "dog"), np.array([0, 1, 1, 1]), chances, chances, 0.5)
    images = Images(np.zeros((4, 1, 1, 1), np.uint8), result.labels, result.classes)
    wrong = mistakes(result, images)
    assert [(row["number"], row["actual"], row["predicted"]) for row in wrong] == [(3, "dog", "cat"), (1, "dog", "cat")]
    assert "file" not in wrong[0]
    named = mistakes(result, replace(images, files=("a.png", "b.png", "c.png", "d.png")))
    assert [row["file"] for row in named] == ["d.png", "b.png"]
    assert result.to_text("held-out").startswith("held-out accuracy 50.00 %, loss 0.5000")


def test_a_class_without_images() -> None:
    """It has no accuracy, and the JSON says null."""
    result = Evaluation(("a", "b"), np.array([0]), np.array([[1, 0]], np.float32), np.array([[1, 0]], np.float32), 0)
    assert result.per_class == {"a": 1.0, "b": None}
    assert "b  no images" in str(result)
    assert json.loads(json.dumps(result.to_dict()))["per_class_accuracy"]["b"] is None


def test_calibration_error_is_torchmetrics() -> None:
    """15 bins of equal width, weighted by their images."""
    result, _ = judged(2000)
    expected = multiclass_calibration_error(
        torch.from_numpy(result.probabilities), torch.from_numpy(result.labels), num_classes=10, n_bins=15
    )
    assert result.calibration_error == pytest.approx(float(expected), abs=1e-6)
    assert sum(count for count, _, _ in result.reliability) == 2000


def test_evaluate_a_network() -> None:
    """Loss and answers are those of a plain forward pass in eval mode, and flipping is looking at the mirror image."""
    torch.manual_seed(0)
    net = build(tiny())
    images = Images(colored([n % 10 for n in range(30)], 32, 0), np.arange(30) % 10, NAMES)
    result = evaluate(net, images, mean=MEAN, std=STD)
    x = (torch.from_numpy(images.pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25
    net.eval()
    with torch.no_grad():
        logits, mirrored = net(x), net(x.flip(3))
    labels = torch.from_numpy(images.labels)
    assert result.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)
    torch.testing.assert_close(torch.from_numpy(result.probabilities), logits.softmax(1))
    torch.testing.assert_close(torch.from_numpy(result.flipped), (logits.softmax(1) + mirrored.softmax(1)) / 2)


def test_nothing_to_evaluate() -> None:
    """No images, or as many classes as the network has not, are said."""
    net, none = build(tiny()), Images(np.empty((0, 32, 32, 3), np.uint8), np.empty(0, np.int64), NAMES)
    with pytest.raises(FieldspecError, match="there are no images to evaluate on"):
        evaluate(net, none, mean=MEAN, std=STD)
    two = Images(colored([0, 1], 32, 0), np.array([0, 1]), ("a", "b"))
    with pytest.raises(FieldspecError, match="the network has 10 classes, but the images have 2"):
        evaluate(net, two, mean=MEAN, std=STD)


@pytest.mark.parametrize("classes", [2, 100])
def test_pictures(classes: int, tmp_path: Path) -> None:
    """Each PNG opens and shows something, with few classes and with many."""
    result, images = judged(300, classes)
    written = report(tmp_path / "new", result, images, about={"weights": "w"})
    assert [path.name for path in written] == [
        "evaluation.json",
        "mistakes.json",
        "mistakes.csv",
        "confusion.png",
        "calibration.png",
        "misclassified.png",
    ]
    for path in written[3:]:
        with Image.open(path) as picture:
            shades = np.unique(np.asarray(picture.convert("L")))
            assert min(picture.size) > 200
            assert len(shades) > 20
    data = read_json(tmp_path / "new" / "evaluation.json")
    assert (data["weights"], data["images"], data["schema"]) == ("w", 300, 1)


def test_titles_say_which_images() -> None:
    """And the file, where the images come from files."""
    result, images = judged(40)
    images = replace(images, files=tuple(f"test/class/image_of_a_long_name_{number}.png" for number in range(40)))
    assert plots.confusion(result, "test").axes[0].get_title().startswith("test images: accuracy ")
    assert plots.calibration(result, "held-out").axes[0].get_title().startswith("held-out images: calibration error ")
    figure = image_grids.misclassified(result, images, "train")
    assert figure.get_suptitle().startswith("train images: ")
    assert figure.axes[0].get_title().split("\n")[0].startswith("…")
    assert figure.axes[0].get_title().split("\n")[0].endswith(".png")


def test_a_hundred_classes_have_their_names() -> None:
    """Along both axes of the confusion matrix."""
    result, _ = judged(300, 100)
    axes = plots.confusion(result).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == list(result.classes)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(result.classes)


def test_nothing_is_drawn_where_there_is_nothing(tmp_path: Path) -> None:
    """No mistakes, no picture of them; that of an earlier evaluation goes."""
    result, images = judged(40)
    assert "misclassified.png" in {path.name for path in report(tmp_path, result, images, about={})}
    right = replace(result, labels=result.predictions)
    assert "misclassified.png" not in {path.name for path in report(tmp_path, right, images, about={})}
    assert not (tmp_path / "misclassified.png").exists()
    assert (tmp_path / "mistakes.csv").read_text() == "number,actual,predicted,confidence\n"


def test_curves_of_one_epoch() -> None:
    """A point in the middle of an axis that has one tick."""
    row = {"epoch": 1, "lr": 0.1, "train_loss": 2.0, "train_accuracy": 0.1}
    for axes in plots.curves([row]).axes:
        assert axes.get_xticks().tolist() == [1]
        assert axes.get_xlim() == (0.5, 1.5)
        assert axes.lines[0].get_marker() == "o"


def test_mixed_samples(tmp_path: Path) -> None:
    """What is trained on is shown as it is trained on."""
    _, images = judged(20)
    recipes = [load_recipe({**PLAIN, "mixup": mixup}) for mixup in (0.0, 1.0)]
    shown = []
    for recipe in recipes:
        draw_samples(tmp_path, images, recipe, (1, 2, 3), place="host")
        shown.append((tmp_path / "samples.png").read_bytes())
    assert shown[0] != shown[1]


def test_names_that_are_no_plain_text(tmp_path: Path) -> None:
    """Formulas, bytes of another encoding and signs that the font lacks are drawn as well as can be, in silence."""
    result, images = judged(40, 4)
    names = ("$\\frac$", "caf\udce9", "\u5c71" * 20, "100%")
    result, images = replace(result, classes=names), replace(images, classes=names)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report(tmp_path, result, images, about={})
        plots.save(image_grids.samples(images, [images.pixels[:4]], np.arange(4)), tmp_path / "samples.png")
    assert "  100%  " in str(result)


def test_what_the_pictures_say() -> None:
    """Titles name the actual and the predicted class, curves the sets that were looked at."""
    result, images = judged()
    figure = image_grids.misclassified(result, images)
    wrong = int((result.predictions != result.labels).sum())
    assert figure.get_suptitle().startswith(f"{wrong} of 60 images wrong")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    sure = result.probabilities.max(1)
    surest = max(np.flatnonzero(result.predictions != result.labels), key=lambda n: sure[n])
    assert titles[0] == (
        f"class {result.labels[surest]}\n→ class {result.predictions[surest]} {100 * sure[surest]:.0f} %"
    )
    rows = [{"epoch": n, "lr": 0.1, "train_loss": 2 / n, "train_accuracy": 0.1 * n} for n in (1, 2)]
    curves = plots.curves(rows, "a run")
    assert [axes.get_title() for axes in curves.axes][:2] == ["loss (nats)", "accuracy (%)"]
    assert [line.get_label() for line in curves.axes[1].lines] == ["train, last 20.00 %"]
    perfect = Evaluation(("a",), np.array([0]), np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), 0)
    nothing = image_grids.misclassified(perfect, Images(images.pixels[:1], np.array([0]), ("a",)))
    assert nothing.get_suptitle().startswith("0 of 1 images wrong")


# ------------------------------------------------------------------------------------ weights and predicting


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Weights of the tiny network with a card."""
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_checkpoint(path, build(tiny()), card={"classes": list(NAMES), "mean": list(MEAN), "std": list(STD)})
    return path


def test_trained_from_a_file(checkpoint: Path) -> None:
    """Network, classes and statistics come from the file alone; a folder means its last weights."""
    network = load_trained(str(checkpoint))
    assert (network.classes, network.mean, network.std, network.name) == (NAMES, MEAN, STD, "tiny")
    assert not network.net.training
    checkpoint.rename(checkpoint.with_name("last.safetensors"))
    assert load_trained(str(checkpoint.parent)).classes == NAMES


def test_timm_is_told_how_images_are_normalized(tmp_path: Path) -> None:
    """By the run's network and by what is loaded from it, which timm writes as a folder that it reads back."""
    recipe = load_recipe({**PLAIN, "epochs": 1})
    run = train(tiny(), recipe, fake(), tmp_path / "run", tell=lambda text: None)
    loaded = load_trained(str(tmp_path / "run"))
    for net in (run.net, loaded.net):
        config = timm.data.resolve_model_data_config(net)  # type: ignore[no-untyped-call]
        assert (config["mean"], config["std"]) == (loaded.mean, loaded.std)
        known: Any = net.pretrained_cfg
        assert known["label_names"] == loaded.classes == fake().train.classes
    timm.models.save_for_hf(loaded.net, str(tmp_path / "hub"))
    again: Any = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True)
    assert again.pretrained_cfg["mean"] == list(loaded.mean)


@pytest.mark.parametrize("classes", [3, 10])
def test_names_go_with_their_classifier(classes: int, checkpoint: Path) -> None:
    """A fresh one, of as many classes or of others, has none until somebody names its classes."""
    net = load_trained(str(checkpoint)).net
    net.reset_classifier(classes)
    known: Any = net.pretrained_cfg
    assert "label_names" not in known
    names = tuple(f"mine {number}" for number in range(classes))
    described: Any = describe(net, MEAN, STD, names).pretrained_cfg
    assert described["label_names"] == names


def test_trained_without_a_card(tmp_path: Path) -> None:
    """A checkpoint of `fieldspec build` has classes without names and CIFAR-10's statistics."""
    save_checkpoint(tmp_path / "a.safetensors", build(tiny()))
    network = load_trained(str(tmp_path / "a.safetensors"))
    assert network.classes[:2] == ("class 0", "class 1")
    assert network.mean == (0.4914, 0.4822, 0.4465)


def test_what_has_no_weights(tmp_path: Path) -> None:
    """A spec is no checkpoint; weights that do not ship are said to be missing."""
    with pytest.raises(FieldspecError, match="c1c2c3c40: a spec has no weights; give a checkpoint, or use --pre"):
        load_trained("c1c2c3c40")
    with pytest.raises(FieldspecError, match=r"net\.yaml: a spec has no weights; train it"):
        load_trained("net.yaml")
    with pytest.raises(FieldspecError, match=r"^runs/nowhere: no such file or folder$"):
        load_trained("runs/nowhere")
    (tmp_path / "net.json").write_text(json.dumps(tiny().to_dict()))
    with pytest.raises(FieldspecError, match="no pretrained weights for tiny; train it with: fieldspec"):
        load_trained(str(tmp_path / "net.json"), pretrained=True)
    headless = build({"input": [3, 8, 8], "layers": [{"conv": {"out": 4}}]})
    save_checkpoint(tmp_path / "h.safetensors", headless)
    with pytest.raises(FieldspecError, match="the network has no classes; give its spec a head"):
        load_trained(str(tmp_path / "h.safetensors"))


def test_shipped_weights(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights in the package's folder are found by the hash of the spec, also after its constraints were edited."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    (shelf / "tiny.safetensors").write_bytes(checkpoint.read_bytes())
    card: dict[str, Any] = {"hash": tiny().hash, "classes": list(NAMES), "mean": list(MEAN), "std": list(STD)}
    write_json(shelf / "tiny.json", card)
    monkeypatch.setattr(pretrained, "FOLDER", shelf)
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps({**tiny().to_dict(), "name": "renamed", "constraints": {"params": "< 1M"}}))
    network = load_trained(str(edited), pretrained=True)
    assert network.source == "shipped tiny"
    from_file = load_trained(str(checkpoint))
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(network.net(x), from_file.net(x), rtol=0, atol=0)
    cfg: Any = network.net.pretrained_cfg
    assert cfg["label_names"] == NAMES


def test_shipped_by_tag(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several weights of a network the best is taken, or the one whose recipe is named as timm names it."""
    for recipe, accuracy in (("short", 0.8), ("long", 0.9), ("wild", 0.7)):
        save_checkpoint(tmp_path / f"c1c2c3c40.{recipe}.safetensors", build("c1c2c3c40"))
        card = {"hash": load("c1c2c3c40").hash, "classes": list(NAMES), "mean": list(MEAN), "std": list(STD)}
        write_json(tmp_path / f"c1c2c3c40.{recipe}.json", {**card, "test_accuracy": accuracy})
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    assert [one.tag for one in pretrained.weights_of(load("c1c2c3c40").hash)] == ["long", "short", "wild"]
    assert load_trained("c1c2c3c40", pretrained=True).source == "shipped c1c2c3c40.long"
    assert load_trained("c1c2c3c40.wild", pretrained=True).source == "shipped c1c2c3c40.wild"
    (tmp_path / "c1c2c3c40.yaml").write_text(catalogue.path("c1c2c3c40").read_text())
    monkeypatch.chdir(tmp_path)
    assert load_trained("c1c2c3c40.yaml", pretrained=True).source == "shipped c1c2c3c40.long"
    default = generate_default_cfgs(timm_models._cfgs("c1c2c3c40"))["c1c2c3c40"]
    assert list(default.tags) == ["long", "short", "wild"]  # timm takes the first
    with pytest.raises(FieldspecError, match=r"c1c2c3c40\.wild: a spec has no weights; give a checkpoint, or use"):
        load_trained("c1c2c3c40.wild")
    with pytest.raises(FieldspecError, match=r"elsewhere/c1c2c3c40\.wild: no such file"):
        load_trained("elsewhere/c1c2c3c40.wild", pretrained=True)
    with pytest.raises(FieldspecError, match=r"c1c2c3c40\.lon: no such pretrained weights\. Did you mean 'c1c2c3c40"):
        load_trained("c1c2c3c40.lon", pretrained=True)


def test_predict(checkpoint: Path, tmp_path: Path) -> None:
    """Files and folders, any size; the answers are the network's, the likeliest first."""
    folder = tmp_path / "photos" / "inside"
    folder.mkdir(parents=True)
    for number, pixels in enumerate(colored([1, 2, 3], 50, 0)):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    (folder / "notes.txt").write_text("no image")
    network = load_trained(str(checkpoint))
    found = list(predict(network, [tmp_path / "photos", folder / "1.png"], top=2))
    assert [one.path.name for one in found] == ["0.png", "1.png", "2.png", "1.png"]
    assert found[1].answers == found[3].answers
    for one in found:
        chances = [chance for _, chance in one.answers]
        assert len(chances) == 2
        assert chances == sorted(chances, reverse=True)
    (everything,) = predict(network, [folder / "0.png"], top=99)
    assert sum(chance for _, chance in everything.answers) == pytest.approx(1, abs=1e-5)
    assert len(everything.answers) == 10


def test_predict_the_others(checkpoint: Path, tmp_path: Path) -> None:
    """Files that cannot be read need not cost the answers to the others."""
    for number, pixels in enumerate(colored([1, 2], 32, 0)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    (tmp_path / "1.png").write_bytes(b"no image")
    told: list[str] = []
    found = list(predict(load_trained(str(checkpoint)), [tmp_path], skip=told.append))
    assert [one.path.name for one in found] == ["0.png"]
    assert told == [f"{tmp_path / '1.png'}: is not an image that Pillow can read"]


def test_predict_what_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    """A missing path, an empty folder, a text file."""
    network = load_trained(str(checkpoint))
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(FieldspecError, match="nowhere: no such file or folder"):
        list(predict(network, ["nowhere"]))
    with pytest.raises(FieldspecError, match="empty: contains no image"):
        list(predict(network, [tmp_path / "empty"]))
    with pytest.raises(FieldspecError, match=r"a\.txt: is not an image that Pillow can read"):
        list(predict(network, [tmp_path / "a.txt"]))


@pytest.mark.parametrize(("channels", "kept"), [(3, 24), (1, 24), (2, 0)])
def test_the_images_of_mistakes_are_kept(channels: int, kept: int, tmp_path: Path) -> None:
    """The surest ones, as small PNG files in mistakes.json, in the order of the rows."""
    result, images = judged(200, 4)
    own = np.arange(200, dtype=np.uint8)[:, None, None, None]  # each image in a shade of its own
    images = replace(images, pixels=np.tile(own, (1, 160, 32, channels)))
    report(tmp_path, result, images, about={}, pictures=False)
    data = read_json(tmp_path / "mistakes.json")
    assert len(data["pictures"]) == kept < len(data["mistakes"])
    for row, text in zip(data["mistakes"], data["pictures"], strict=False):
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert picture.size == (19, 96)  # 160 x 32 pixels
            assert set(np.asarray(picture.convert("L")).ravel()) == {row["number"]}
