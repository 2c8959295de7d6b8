"""The commands that train and judge: torch and Lightning are imported when one of them runs."""

from __future__ import annotations

import json
import shlex
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.architectures.spec import load
from fieldspec.blocks.errors import FieldspecError

if TYPE_CHECKING:
    from fieldspec.training.evaluation import Evaluation

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="DATA",
        help="cifar10, cifar100, fake, imagefolder:FOLDER, or a folder that holds one of them.",
    ),
]
Weights = Annotated[
    str, typer.Argument(metavar="WEIGHTS", help="A run's folder, a checkpoint; with --pretrained NAME or NAME.RECIPE.")
]
Pretrained = Annotated[bool, typer.Option("--pretrained", help="Use the weights that ship with fieldspec.")]


class Place(StrEnum):
    """Where images are augmented."""

    host = "host"
    device = "device"


class Precision(StrEnum):
    """What is computed in."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


class Split(StrEnum):
    """Which images are judged by."""

    test = "test"
    held_out = "held-out"
    train = "train"


def train(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A catalogue name, a YAML or JSON file.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="RECIPE", help="seed, fast25, long, or a YAML or JSON file.")
    ] = "fast25",
    data: DataOption = "cifar10",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The run's folder; runs/SPEC-RECIPE by default.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Train on the held-out images, too.")] = False,
    test_each_epoch: Annotated[
        bool, typer.Option("--test-each-epoch", help="Print the test accuracy of each epoch.")
    ] = False,
    augment: Annotated[
        Place, typer.Option(help="Augment images on the CPU, or batches where the network is.")
    ] = Place.host,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Instead of the recipe's.")] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's: auto, cpu, cuda, ...")] = "auto",
    devices: Annotated[str, typer.Option(help="Processes on each node, or the GPUs' numbers.")] = "1",
    nodes: Annotated[int, typer.Option(help="Machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's: auto, ddp, ...")] = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that fetch and augment.")] = 0,
    compile: Annotated[
        bool, typer.Option("--compile", help="torch.compile; otherwise a GPU replays CUDA graphs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network, and test it once at the end.

    A tenth of the training images is held out unless --full is given. The run's folder gets the last and the best
    weights, the state to resume from, the log, TensorBoard's events, the evaluation, pictures and a card.

    \b
    fieldspec train c1c2c3c40 --recipe fast25
    fieldspec train c1c2c3c40 --recipe fast25 --resume
    fieldspec train my_network.yaml --recipe my_recipe.yaml --data imagefolder:photos -o runs/photos
    """
    _need("train", "train", "lightning", "albumentations", "tensorboard")
    from fieldspec.training.datasets import load_data
    from fieldspec.training.options import Options
    from fieldspec.training.recipe import load_recipe
    from fieldspec.training.running import StoppedError
    from fieldspec.training.running import train as run_training
    from fieldspec.training.task import DivergedError

    loaded = load(spec)
    chosen = load_recipe(recipe).override(epochs=epochs, seed=seed, precision=precision and precision.value)
    folder = output or Path("runs") / f"{loaded.name}-{chosen.settings.name}"
    options = Options(
        full=full,
        test_each_epoch=test_each_epoch,
        augment=augment.value,
        resume=resume,
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
        workers=workers,
        compile=compile,
        progress=sys.stdout.isatty() and not as_json,
    )
    images = load_data(data, input_size=loaded.input)
    command = shlex.join(["fieldspec", *sys.argv[1:]])
    tell = _tell_error if as_json else typer.echo
    try:
        run = run_training(loaded, chosen, images, folder, options, tell=tell, command=command)
    except DivergedError as error:
        _tell_error(f"error: {error}")
        raise typer.Exit(1) from None
    except StoppedError as error:
        _tell_error(str(error))
        raise typer.Exit(130) from None
    if run.first:
        from fieldspec.training.conclusion import conclude

        card, test = conclude(run, images)
        _print_result({"folder": str(folder), **card}, test, as_json, f"card, log and pictures in {folder}")


def evaluate(
    weights: Weights,
    pretrained: Pretrained = False,
    data: DataOption = "cifar10",
    split: Annotated[Split, typer.Option(help="Which images.")] = Split.test,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for evaluation.json and the pictures.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to compute: cpu, cuda, ...")] = "cpu",
    as_json: Json = False,
) -> None:
    """Judge a trained network on images that it has not seen.

    Accuracy, loss, accuracy of each class and calibration are of a single look at each image; the accuracy averaged
    with the mirror image is printed apart. With --output: confusion matrix, calibration and the surest mistakes as
    pictures.

    \b
    fieldspec evaluate runs/c1c2c3c40-fast25
    fieldspec evaluate c1c2c3c40 --pretrained -o judged
    """
    if output is not None:
        _need("evaluate --output", "report", "matplotlib")
    from fieldspec.training.datasets import load_data
    from fieldspec.training.judging import judge
    from fieldspec.training.networks import trained

    network = trained(weights, pretrained=pretrained)
    images = load_data(data, input_size=network.spec.input)
    evaluation, about = judge(network, images, split.value, folder=output, device=device)
    _print_result({**about, **evaluation.to_dict()}, evaluation, as_json, f"pictures in {output}" if output else "")


def predict(
    weights: Weights,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Files, or folders of them.")],
    pretrained: Pretrained = False,
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 3,
    as_json: Json = False,
) -> None:
    """Name what is in image files, the likeliest first.

    \b
    fieldspec predict runs/c1c2c3c40-fast25 photo.png
    fieldspec predict c1c2c3c40 --pretrained photos/ --top 5
    """
    from fieldspec.training.networks import trained
    from fieldspec.training.prediction import predict as name_images

    predictions = list(name_images(trained(weights, pretrained=pretrained), images, top=top))
    if as_json:
        rows = [
            {"path": str(one.path), "answers": [{"class": name, "probability": p} for name, p in one.answers]}
            for one in predictions
        ]
        typer.echo(json.dumps({"schema": 1, "predictions": rows}, indent=2))
        return
    for one in predictions:
        typer.echo(
            f"{one.path}: " + ", ".join(f"{name} {chance:.1%}" for name, chance in one.answers).replace("%", " %")
        )


COMMANDS = (train, evaluate, predict)


def _need(command: str, extra: str, *packages: str) -> None:
    """Say what is missing before anything is begun."""
    for package in packages:
        if find_spec(package) is None:
            raise FieldspecError(f"fieldspec {command} needs {package}: pip install 'fieldspec[{extra}]'")


def _tell_error(text: str) -> None:
    typer.echo(text, err=True)


def _print_result(data: dict[str, Any], evaluation: Evaluation | None, as_json: bool, last: str) -> None:
    if as_json:
        typer.echo(json.dumps(data, indent=2))
        return
    if evaluation is not None:
        typer.echo(str(evaluation))
    if last:
        typer.echo(last)
