"""Commands that use trained networks: evaluate, predict."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.cli.shared import Json, need, print_json, tell_error

if TYPE_CHECKING:
    from fieldspec.training.evaluation.evaluation import Evaluation
    from fieldspec.training.evaluation.trained_networks import TrainedNetwork

SOURCES = "cifar10, cifar100, fake, imagefolder:FOLDER, or a folder that contains one of them"
Weights = Annotated[
    str,
    typer.Argument(
        metavar="WEIGHTS",
        help="A run folder, a checkpoint or a .tflite file; with --pretrained, NAME or NAME.RECIPE.",
    ),
]
Pretrained = Annotated[bool, typer.Option("--pretrained", help="Use pretrained weights.")]


class OnBad(StrEnum):
    """What to do with image files that cannot be read."""

    stop = "stop"
    skip = "skip"


OnBadOption = Annotated[
    OnBad, typer.Option("--on-bad", help="Image files that cannot be read: stop, or skip and count them.")
]


class Split(StrEnum):
    """Which images to evaluate on."""

    test = "test"
    held_out = "held-out"
    train = "train"


def evaluate(
    weights: Weights,
    pretrained: Pretrained = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help=f"{SOURCES}; by default the data that the network was trained on."),
    ] = None,
    split: Annotated[Split, typer.Option(help="Which images.")] = Split.test,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A folder for evaluation.json and plots.")
    ] = None,
    device: Annotated[str, typer.Option(help="The device: cpu, cuda, ...")] = "cpu",
    on_bad: OnBadOption = OnBad.stop,
    as_json: Json = False,
) -> None:
    """Evaluate a trained network on the test images, or on others.

    Accuracy, loss, per-class accuracy and calibration use a single view of each image; the accuracy averaged with the
    mirror image is printed separately. With --output, the confusion matrix, calibration and the most confident
    mistakes are plotted.

    \b
    fieldspec evaluate runs/c1c2c3c40-fast25
    fieldspec evaluate c1c2c3c40 --pretrained -o judged
    """
    if output is not None:
        need("evaluate --output", "report", "matplotlib")
    from fieldspec.training.data.sources.datasets import load_data
    from fieldspec.training.evaluation.split_evaluation import evaluate_split
    from fieldspec.training.evaluation.trained_networks import data_of
    from fieldspec.training.loop.machine import keep_freed_memory

    keep_freed_memory()
    network = _network_of(weights, pretrained)
    source = data or data_of(weights, network)
    evaluation, about = evaluate_split(
        network,
        load_data(source, input_size=network.spec.input, skip_bad=on_bad is OnBad.skip),
        split.value,
        folder=output,
        device=device,
    )
    last = ["these images were trained on"] if about["trained_on"] else []
    last += [f"plots in {output}"] if output else []
    print_result({**about, **evaluation.to_dict()}, evaluation, as_json, "\n".join(last), split=split.value)


def predict(
    weights: Weights,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files or folders.")],
    pretrained: Pretrained = False,
    top: Annotated[int, typer.Option(min=1, help="Number of classes to print.")] = 3,
    as_json: Json = False,
) -> None:
    """Classify image files; the most probable class comes first.

    \b
    fieldspec predict runs/c1c2c3c40-fast25 photo.png
    fieldspec predict c1c2c3c40 --pretrained photos/ --top 5
    """
    from fieldspec.training.evaluation.prediction import predict as name_images
    from fieldspec.training.loop.machine import keep_freed_memory

    keep_freed_memory()
    unread: list[str] = []

    def skip(line: str) -> None:
        unread.append(line)
        tell_error(f"error: {line}")

    predictions = name_images(_network_of(weights, pretrained), images, top=top, skip=skip)
    if as_json:
        rows = [
            {"path": str(one.path), "answers": [{"class": name, "probability": p} for name, p in one.answers]}
            for one in predictions
        ]
        print_json({"schema": 1, "predictions": rows})
    else:
        for one in predictions:  # print results immediately
            typer.echo(f"{one.path}: " + ", ".join(f"{name} {100 * chance:.1f} %" for name, chance in one.answers))
    if unread:
        raise typer.Exit(2)


def _network_of(weights: str, pretrained: bool) -> TrainedNetwork:
    """Load the network of a checkpoint, run folder or .tflite file."""
    if weights.endswith(".tflite") and not pretrained:
        need("predict FILE.tflite", "export", "ai_edge_litert", "flatbuffers")
        from fieldspec.export.file.running import load_tflite

        return load_tflite(weights)
    from fieldspec.training.evaluation.trained_networks import load_trained

    return load_trained(weights, pretrained=pretrained)


def print_result(data: dict[str, Any], evaluation: Evaluation | None, as_json: bool, last: str, *, split: str) -> None:
    """Print as JSON, or as text that names the split and ends with the location of the files."""
    if as_json:
        print_json(data)
        return
    if evaluation is not None:
        typer.echo(evaluation.to_text(split))
    if last:
        typer.echo(last)
