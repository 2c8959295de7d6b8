"""The command that searches an open spec: search."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fieldspec.analysis.report.picture_files import check_picture_file
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.choosing.studying import Studying, print_leaderboard, train_networks
from fieldspec.cli.evaluation import SOURCES, OnBad, OnBadOption
from fieldspec.cli.shared import Json, Profile, Set, Spec, load_open_spec, need, print_json, tell_written

OFTEN = 0.5  # seconds between lines of progress


class PrunerOption(StrEnum):
    """Which of Optuna's pruners to use."""

    none = "none"
    median = "median"
    hyperband = "hyperband"


def search(
    spec: Spec,
    minimize: Annotated[
        list[str] | None,
        typer.Option("--minimize", metavar="MEASURE", help="A measure to minimize, such as params; repeatable."),
    ] = None,
    maximize: Annotated[
        list[str] | None,
        typer.Option("--maximize", metavar="MEASURE", help="A measure to maximize, such as macs; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="A folder for the closed specs of the front; with --train, the study's folder."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Plot the front to a .png, .pdf or .svg file.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            min=1,
            help="Sample this many candidates with Optuna; with --train, train this many (default 20).",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sampler.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the search in --output; studies are always continued.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results in --output.")] = False,
    train: Annotated[
        str | None,
        typer.Option(
            "--train", metavar="RECIPE", help="Train candidates with this recipe, and rank them by held-out accuracy."
        ),
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="DATA", help=f"Training images: {SOURCES}.")] = "cifar10",
    epochs: Annotated[int | None, typer.Option(help="Epochs of each trial, instead of the recipe's.")] = None,
    pruner: Annotated[
        PrunerOption, typer.Option(help="Stop trials early that fall behind others that cost no more.")
    ] = PrunerOption.none,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="journal:FILE, sqlite:///FILE, postgresql://...; by default a journal in --output."
        ),
    ] = None,
    study: Annotated[str | None, typer.Option(help="The study's name; by default SPEC-RECIPE.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Number of worker processes.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="torch's CPU threads per worker; by default, workers share the cores.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's accelerator: auto, cpu, cuda, ...")] = "auto",
    leaderboard: Annotated[
        bool,
        typer.Option(
            "--leaderboard", help="Print the leaderboard of the study in --output or --storage, without training."
        ),
    ] = False,
    on_bad: OnBadOption = OnBad.stop,
    profile: Profile = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Find the best networks of an open spec under its constraints.

    The best networks are the Pareto front of the objectives. It is exact if the items are in series and the measures
    can be computed from them; otherwise a small space is enumerated and a large one is sampled, and the output says so.
    Ctrl-C prints the results so far. Exit status 1 if no candidate satisfies the constraints.

    With --train, networks of the front, then others, are trained in an Optuna study. The same command joins and
    continues it, on this or any other machine that can access --storage. The test images are used once, for the
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
    from fieldspec.search.results.folder import JOURNAL, TABLE, check_folder
    from fieldspec.search.results.pictures import plot_front
    from fieldspec.search.results.tables import text, write_front

    if resume and output is None and train is None:
        raise FieldspecError("--resume continues the search in --output. Give --output")
    if picture is not None:
        check_picture_file(picture)
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
            raise FieldspecError("--picture plots the front of a search; remove it with --train")
        if force:
            raise FieldspecError("--force has no effect with --train, which continues a study. Remove it")
        train_networks(replace(opened, profile=measured), train, output, asked, tick, as_json=as_json)
        return
    for name, is_given in (
        ("--data", data != "cifar10"), ("--epochs", epochs is not None), ("--pruner", pruner is not PrunerOption.none),
        ("--storage", storage is not None), ("--study", study is not None), ("--workers", workers != 1),
        ("--threads", threads is not None), ("--accelerator", accelerator != "auto"),
        ("--on-bad", on_bad is not OnBad.stop),
    ):  # fmt: skip
        if is_given:
            raise FieldspecError(f"{name} has no effect without --train. Give --train RECIPE, or remove it")
    if output is not None:
        is_continued = resume and (output / JOURNAL).exists()
        check_folder(output, opened.name, others=(TABLE, JOURNAL), force=force or is_continued)
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
    if output is not None and paths:
        tell_written(paths, output)
    if not result.pareto:
        raise typer.Exit(1)


class Progress:
    """A progress line on stderr: what is being done, speed, and time left."""

    def __init__(self) -> None:
        self._what, self._since, self._told = "", 0.0, 0.0

    def __call__(self, what: str, done: int, of: int) -> None:
        """Print the progress, at most once per interval."""
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
        """Clear the line."""
        if self._told:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
