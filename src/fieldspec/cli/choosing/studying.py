"""`fieldspec search --train`: a study, its leaderboard, its winner."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import need, print_json, tell_error

if TYPE_CHECKING:
    from fieldspec.architectures.spaces.open_spec import OpenSpec
    from fieldspec.search.study.winner import Winner


@dataclass(frozen=True)
class Studying:
    """The options of a study, as given on the command line."""

    minimize: Sequence[str]
    maximize: Sequence[str]
    trials: int | None
    seed: int
    epochs: int | None
    data: str
    pruner: Literal["none", "median", "hyperband"]
    storage: str | None
    study: str | None
    workers: int
    threads: int | None
    accelerator: str
    skip_bad: bool


def train_networks(
    spec: OpenSpec,
    recipe: str,
    output: Path | None,
    asked: Studying,
    tick: Callable[[str, int, int], None] | None,
    *,
    as_json: bool,
) -> None:
    """Train candidates, print the leaderboard and the winner; exit status 1 if no trial is complete."""
    need("search --train", "train", "lightning", "albumentations", "tensorboard")
    need("search --train", "search", "optuna")
    from fieldspec.training.recipe.recipe import load_recipe

    chosen = load_recipe(recipe).override(epochs=asked.epochs)
    tell = tell_error if as_json else typer.echo
    tell(f"{spec.name} with {chosen.settings.name}: loading {asked.data}")  # loading torch and the images takes seconds
    from fieldspec.search.study.study import TRIALS, train_candidates
    from fieldspec.search.study.texts import text
    from fieldspec.training.loop.options import RunOptions
    from fieldspec.training.run.run import StoppedError

    folder = output or Path("runs") / f"{spec.name}-{chosen.settings.name}-study"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shared = max(1, cores // asked.workers) if asked.workers > 1 else None
    try:
        result = train_candidates(
            spec,
            chosen,
            asked.data,
            folder,
            minimize=asked.minimize,
            maximize=asked.maximize,
            trials=asked.trials or TRIALS,
            seed=asked.seed,
            storage=asked.storage,
            study=asked.study,
            pruning=asked.pruner,
            workers=asked.workers,
            options=RunOptions(threads=asked.threads or shared, accelerator=asked.accelerator),
            skip_bad=asked.skip_bad,
            tell=tell,
            to_stderr=as_json,
            tick=tick,
            command=shlex.join(["fieldspec", *sys.argv[1:]]),
        )
    except StoppedError as error:
        tell_error(str(error))
        raise typer.Exit(error.status) from None
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(f"\n{text(result.board)}\n")
        typer.echo(_of_winner(result.winner) if result.winner is not None else "No trial is complete.")
    if result.winner is None:
        raise typer.Exit(1)


def _of_winner(winner: Winner) -> str:
    """Format the winner's test accuracy and location."""
    name, accuracy = winner.trial.candidate.name, 100 * (winner.trial.accuracy or 0)
    lines = [f"Winner: {name}, chosen for its held-out accuracy of {accuracy:.2f} %, which is slightly optimistic"]
    if winner.card is None:
        host, place = [winner.trial.attributes.get(key) for key in ("host", "folder")]
        lines.append(f"trained on {host} in {place}: rerun the command there to test it and write its weights")
    elif winner.card["test_accuracy"] is not None:
        once = "used only for this network" if winner.tested == 1 else f"used for {winner.tested} networks so far"
        lines.append(f"{100 * winner.card['test_accuracy']:.2f} % of the test images, {once}")
    return "\n".join([*lines, f"spec, weights and card in {winner.folder}"])


def print_leaderboard(
    spec: OpenSpec, output: Path | None, storage: str | None, study: str | None, *, as_json: bool
) -> None:
    """Print the leaderboard of an existing study, without training or testing."""
    need("search --leaderboard", "search", "optuna")
    from fieldspec.search.study.board import read_leaderboard
    from fieldspec.search.study.texts import text

    if output is None and storage is None:
        raise FieldspecError("--leaderboard needs an existing study. Give its --output or --storage")
    board = read_leaderboard(spec, output or Path(), storage=storage, study=study)
    if as_json:
        told: dict[str, Any] = board.to_dict()
        print_json(told)
    else:
        typer.echo(text(board))
