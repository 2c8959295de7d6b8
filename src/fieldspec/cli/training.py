"""The command train; torch and Lightning are imported when it runs."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.evaluation import SOURCES, OnBad, OnBadOption, print_result
from fieldspec.cli.shared import Json, names_beginning, need, print_json, tell_error

if TYPE_CHECKING:
    from fieldspec.architectures.spec.spec import ArchitectureSpec
    from fieldspec.training.data.images import Data
    from fieldspec.training.loop.options import RunOptions
    from fieldspec.training.recipe.recipe import Recipe


class AugmentPlace(StrEnum):
    """Where images are augmented."""

    host = "host"
    device = "device"


class Quantized(StrEnum):
    """Number formats to simulate during fine-tuning."""

    int8 = "int8"


class PrecisionOption(StrEnum):
    """Precision of the computation."""

    auto = "auto"
    bfloat16 = "bfloat16"
    float32 = "float32"


def train(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            help="A catalogue name, a YAML or JSON file; with --quantize also a run folder or a checkpoint.",
            autocompletion=names_beginning,
        ),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe",
            metavar="RECIPE",
            help="seed, fast25, long, distilled, int8, or a YAML or JSON file; fast25, or with --quantize int8.",
        ),
    ] = None,
    quantize: Annotated[
        Quantized | None,
        typer.Option(help="Fine-tune trained or pretrained weights with int8 rounding simulated."),
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="DATA", help=f"{SOURCES}.")] = "cifar10",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The run folder; by default runs/SPEC-RECIPE.")
    ] = None,
    initial_checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="WEIGHTS", help="Initial weights: a run folder, a checkpoint, or NAME.RECIPE for pretrained ones."
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WEIGHTS",
            help="Weights of a teacher for knowledge distillation; repeat it to average several.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue after the last finished epoch.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Also train on the held-out images.")] = False,
    test_each_epoch: Annotated[
        bool, typer.Option("--test-each-epoch", help="Evaluate the test images after each epoch.")
    ] = False,
    augment: Annotated[
        AugmentPlace, typer.Option(help="Augment images on the CPU, or batches on the network's device.")
    ] = AugmentPlace.host,
    epochs: Annotated[int | None, typer.Option(help="Epochs, instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="0,1,2", help="Train with each of these seeds, and print mean and standard deviation."),
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Learning rate, instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Batch size, instead of the recipe's.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay, instead of the recipe's.")] = None,
    precision: Annotated[PrecisionOption | None, typer.Option(help="Precision, instead of the recipe's.")] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's accelerator: auto, cpu, cuda, ...")] = "auto",
    devices: Annotated[str, typer.Option(help="Number of processes on each node, or the indices of GPUs.")] = "1",
    nodes: Annotated[int, typer.Option(help="Number of machines.")] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's strategy: auto, ddp, ...")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="torch's CPU threads; by default torch's choice.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Number of data loading processes.")] = 0,
    compile: Annotated[
        bool, typer.Option("--compile", help="Use torch.compile; otherwise a GPU replays CUDA graphs.")
    ] = False,
    on_bad: OnBadOption = OnBad.stop,
    as_json: Json = False,
) -> None:
    """Train a network, and test it once at the end.

    A tenth of the training images is held out unless --full is given. The run folder gets the last and the best
    weights, the state to resume from, the log, TensorBoard events, the evaluation, plots and a card.

    \b
    fieldspec train c1c2c3c40 --recipe fast25
    fieldspec train c1c2c3c40 --recipe fast25 --resume
    fieldspec train c1c2c3c40 --seeds 0,1,2 -o runs/three
    fieldspec train my_network.yaml --recipe my_recipe.yaml --data imagefolder:photos -o runs/photos
    fieldspec train runs/photos --quantize int8 --data imagefolder:photos        then export --to tflite-int8
    """
    need("train", "train", "lightning", "albumentations", "tensorboard")
    from fieldspec.training.recipe.recipe import load_recipe

    if quantize is not None:
        initial_checkpoint = initial_checkpoint or spec
        loaded = spec_of_weights(spec)
    else:
        loaded = load(spec)
    chosen = load_recipe(recipe or ("fast25" if quantize is None else "int8")).override(
        epochs=epochs,
        seed=seed,
        lr=lr,
        batch_size=batch_size,
        weight_decay=weight_decay,
        precision=precision and precision.value,
        quantize=quantize and quantize.value,
    )
    tell = tell_error if as_json else typer.echo
    tell(f"{loaded.name} with {chosen.settings.name}: loading {data}")  # loading torch and the images takes seconds
    from fieldspec.training.data.sources.datasets import load_data
    from fieldspec.training.loop.options import RunOptions
    from fieldspec.training.run.seeds import parse_seeds, seeds_table, train_seeds

    folder = output or Path("runs") / f"{loaded.name}-{chosen.settings.name}"
    options = RunOptions(
        full=full,
        test_each_epoch=test_each_epoch,
        augment=augment.value,
        initial_checkpoint=initial_checkpoint,
        teacher=teacher,
        resume=resume,
        accelerator=accelerator,
        devices=devices,
        nodes=nodes,
        strategy=strategy,
        threads=threads,
        workers=workers,
        compile=compile,
        progress=sys.stdout.isatty() and not as_json,
    )
    several = parse_seeds(seeds) if seeds is not None else ()
    if several and (seed is not None or nodes > 1 or devices != "1"):
        raise FieldspecError("--seeds: trains one seed after the other in one process; remove --seed and --devices")
    images = load_data(data, input_size=loaded.input, skip_bad=on_bad is OnBad.skip)

    def once(number: int, place: Path) -> dict[str, Any]:
        return train_once(loaded, chosen.override(seed=number), images, place, options, as_json=as_json)

    if not several:
        once(chosen.settings.seed, folder)
        return
    together = train_seeds(folder, several, once)
    if as_json:
        print_json(together)
    else:
        typer.echo(f"{seeds_table(together)}\n{folder / 'seeds.json'}")


def spec_of_weights(source: str) -> ArchitectureSpec:
    """The spec of trained weights: of a run, a checkpoint, or pretrained weights.

    Raises:
        FieldspecError: There are no such weights.
    """
    from fieldspec.training.evaluation.trained_networks import given

    return given(source).spec


def train_once(
    spec: ArchitectureSpec, recipe: Recipe, images: Data, folder: Path, options: RunOptions, *, as_json: bool
) -> dict[str, Any]:
    """Train and evaluate a run; returns its card, empty in processes that do not write it."""
    from fieldspec.training.loop.task import DivergedError
    from fieldspec.training.run.final_evaluation import evaluate_run
    from fieldspec.training.run.run import StoppedError
    from fieldspec.training.run.training import train as run_training

    command = shlex.join(["fieldspec", *sys.argv[1:]])
    tell = tell_error if as_json else typer.echo
    try:
        run = run_training(spec, recipe, images, folder, options, tell=tell, command=command)
        if not run.is_main_process:
            return {}
        card, evaluation = evaluate_run(run, images)
    except DivergedError as error:
        tell_error(f"error: {error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:  # in the final evaluation
        tell_error(str(StoppedError(folder)))
        raise typer.Exit(StoppedError(folder).status) from None
    except StoppedError as error:
        tell_error(str(error))
        raise typer.Exit(error.status) from None
    split = "test" if images.test is not None else "held-out"
    last = f"card, log and plots in {folder}"
    print_result({"folder": str(folder), **card}, evaluation, as_json, last, split=split)
    return card
