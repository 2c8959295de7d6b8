"""The command that chooses networks: search."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.choosing.studying import Studying, print_leaderboard, train_networks
from fieldspec.cli.evaluation import SOURCES, OnBad, OnBadOption
from fieldspec.cli.shared import Json, Profile, Set, Spec, load_open_spec, need, print_json, tell_error

OFTEN = 0.5  # seconds between two lines of progress


class PrunerOption(StrEnum):
    """Which of Optuna's pruners ends trials early."""

    none = "none"
    median = "median"
    hyperband = "hyperband"


def search(
    spec: Spec,
    minimize: Annotated[
        list[str] | None,
        typer.Option("--minimize", metavar="MEASURE", help="A measure to make small, such as params; repeatable."),
    ] = None,
    maximize: Annotated[
        list[str] | None,
        typer.Option("--maximize", metavar="MEASURE", help="A measure to make large, such as macs; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A folder for the closed specs of the front; with --train, the study's own."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the front: a .png, .pdf or .svg file.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, help="Sample so many candidates with Optuna instead; with --train, train so many (20)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sampler.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the search that --output holds; a study always is.")
    ] = False,
    train: Annotated[
        str | None,
        typer.Option("--train", metavar="RECIPE", help="Train candidates, and judge them by the held-out images."),
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="DATA", help=f"To train on: {SOURCES}.")] = "cifar10",
    epochs: Annotated[int | None, typer.Option(help="Of each trial, instead of the recipe's.")] = None,
    pruner: Annotated[
        PrunerOption, typer.Option(help="Ends trials early that fall behind others that cost no more.")
    ] = PrunerOption.none,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="journal:FILE, sqlite:///FILE, postgresql://...; by default a journal in --output."
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study's name there; SPEC-RECIPE by default.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that train.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch on the CPU, for each worker; by default they share the cores.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's: auto, cpu, cuda, ...")] = "auto",
    leaderboard: Annotated[
        bool, typer.Option("--leaderboard", help="Print that of the study in --output or --storage, and train nothing.")
    ] = False,
    on_bad: OnBadOption = OnBad.stop,
    profile: Profile = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Find the best networks of an open spec under its constraints.

    The best are those that no other beats in every objective. The answer is exact where the items stand in series and
    the measures add up over them; otherwise a small space is enumerated and a large one sampled, and the answer says
    so. Ctrl-C prints what is found so far. Exit status 1 if no candidate keeps the constraints.

    With --train, networks of the front and then others are trained in an Optuna study, which the same command joins and
    continues: on this machine, or on any other that reaches --storage. The test images are looked at once, for the
    winner.

    \b
    fieldspec search open.yaml --minimize params --maximize receptive_field
    fieldspec search open.yaml --minimize params --set width=16 --json
    fieldspec search open.yaml -o front --picture front.png
    fieldspec search open.yaml -o front --resume
    fieldspec search open.yaml --minimize latency_ms --maximize macs --profile laptop.json
    fieldspec search open.yaml --train fast25 --epochs 5 --trials 20 --workers 2 -o study
    fieldspec search open.yaml --train fast25 --storage postgresql://me@host/studies
    fieldspec search open.yaml -o study --leaderboard
    """
    from fieldspec.analysis.latency.profile import load_profile
    from fieldspec.search.methods.search import search_networks
    from fieldspec.search.results.pictures import plot_front
    from fieldspec.search.results.tables import text, write_front

    if resume and output is None and train is None:
        raise FieldspecError("--resume continues what --output holds. Give --output")
    if picture is not None:
        need("search --picture", "report", "matplotlib")
    opened = load_open_spec(spec, given)
    progress = Progress()
    tick = progress if sys.stderr.isatty() else None
    measured = None if profile is None else load_profile(profile)
    if leaderboard:
        print_leaderboard(opened, output, storage, study, as_json=as_json)
        return
    if train is not None:
        asked = Studying(
            minimize=minimize or (), maximize=maximize or (), trials=trials, seed=seed, epochs=epochs, data=data,
            pruner=pruner.value, storage=storage, study=study, workers=workers, threads=threads,
            accelerator=accelerator, skip_bad=on_bad is OnBad.skip,
        )  # fmt: skip
        if picture is not None:
            raise FieldspecError("--picture draws the front of a search; leave it out with --train")
        train_networks(replace(opened, profile=measured), train, output, asked, tick, as_json=as_json)
        return
    for name, is_given in (
        ("--data", data != "cifar10"), ("--epochs", epochs is not None), ("--pruner", pruner is not PrunerOption.none),
        ("--storage", storage is not None), ("--study", study is not None), ("--workers", workers != 1),
        ("--threads", threads is not None), ("--accelerator", accelerator != "auto"),
        ("--on-bad", on_bad is not OnBad.stop),
    ):  # fmt: skip
        if is_given:
            raise FieldspecError(f"{name} has no effect without --train. Give --train RECIPE, or leave it out")
    result = search_networks(
        opened,
        minimize=minimize or (),
        maximize=maximize or (),
        trials=trials,
        seed=seed,
        folder=output,
        resume=resume,
        profile=measured,
        tick=tick,
    )
    progress.end()
    paths = write_front(result, output) if output is not None else []
    if picture is not None and result.pareto:
        plot_front(result, picture)
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(text(result))
    if paths:
        tell_error(f"{len(paths):,} specs are in {output}")
    if not result.pareto:
        raise typer.Exit(1)


class Progress:
    """A line on stderr: what is being done, how fast, and how long it will take."""

    def __init__(self) -> None:
        self._what, self._since, self._told = "", 0.0, 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        """Tell of it now and then."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._since = what, now
        if now - self._told < OFTEN:
            return
        self._told = now
        took = now - self._since
        rate = done / took if took > 1 else 0.0
        more = f", {rate:,.0f}/s, {(of - done) / rate:,.0f} s left" if rate else ""
        print(f"\r\x1b[K{what}: {done:,} of {of:,}{more}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._told:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
