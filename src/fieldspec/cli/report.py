"""The command that reports cost and receptive field of every layer: analyze."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.analysis.report.picture_files import check_picture_file
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import (
    Json,
    ModuleInput,
    Network,
    Profile,
    Set,
    input_explained,
    input_size_of,
    load_spec,
    module_input_of,
    print_verdicts,
    spinner,
    timed_by,
)

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report
    from fieldspec.architectures.spec.constraints import ConstraintResult, Constraints


def analyze(
    spec: Network,
    all_layers: Annotated[
        bool, typer.Option("--all", help="One row per layer, activations and norms included.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every layer as CSV.")] = False,
    as_json: Json = False,
    input_size: ModuleInput = None,
    ledger: Annotated[
        bool,
        typer.Option("--ledger", help="Show the pixels that each layer adds, their cost, padding, and input sizes."),
    ] = False,
    effective: Annotated[
        bool, typer.Option("--effective", help="Show how much of the field is effectively used, by counting paths.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Plot the effective field to a .png, .pdf or .svg file.")
    ] = None,
    promise: Annotated[
        bool, typer.Option("--promise", help="Show training-free measures: entropy, effectiveness, effective field.")
    ] = False,
    tile: Annotated[
        int | None, typer.Option("--tile", min=1, help="Show sizes and halo of tiles of this many units.")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="Show int8 operators, flash and RAM on an engine: tflm (LiteRT-Micro)."),
    ] = None,
    patches: Annotated[
        bool, typer.Option("--patches", help="Show what patch-based inference saves and costs on the engine.")
    ] = False,
    profile: Profile = None,
    given: Set = None,
) -> None:
    """Show cost and receptive field of every layer. A spec needs no torch; a PyTorch network runs once, without values.

    Field, jump and center are in input pixels; multiply-adds are for one example. A star marks fields behind a
    global operation, whose units also see the rest of the input.

    \b
    fieldspec analyze c1c2c3c40
    fieldspec analyze c1c2c3c40 --markdown > table.md
    fieldspec analyze my_network.yaml --input 3x64x64 --json
    fieldspec analyze c1c2c3c40 --ledger --effective --picture field.png --tile 8
    fieldspec analyze c1c2c3c40 --engine tflm --patches
    fieldspec analyze c1c2c3c40 --profile laptop.json
    fieldspec analyze timm:resnet50,output_stride=8 --input 3x512x512
    fieldspec analyze torchvision:googlenet
    fieldspec analyze my_package.nets:make_net --input 1x28x28
    fieldspec analyze my_package.nets:Fusion --input image=3x64x64,depth=1x64x64
    """
    from fieldspec.architectures.spec.constraints import evaluate_constraints
    from fieldspec.cli.readings import extras, printed

    if markdown + csv + as_json > 1:
        raise FieldspecError("give only one of --markdown, --csv and --json")
    if picture is not None:
        check_picture_file(picture)
    report, constraints = report_and_constraints(spec, input_size, given)
    report = timed_by(report, profile)
    if csv and (ledger or effective or picture or promise or tile or engine or patches):
        raise FieldspecError("--csv has the layers only; use --json or --markdown for other readings")
    further = extras(
        report,
        ledger=ledger,
        effective=effective,
        picture=picture,
        promise=promise,
        tile=tile,
        engine=engine,
        patches=patches,
    )
    if further:
        typer.echo(printed(report.name, further, "json" if as_json else "markdown" if markdown else "text"))
    elif as_json:
        typer.echo(report.to_json())
    elif csv:
        typer.echo(report.to_csv(), nl=False)
    elif markdown:
        typer.echo(report.to_markdown(all_layers=all_layers), nl=False)
    else:
        verdicts = evaluate_constraints(constraints, report)
        if sys.stdout.isatty():
            print_to_terminal(report, verdicts, all_layers=all_layers)
            return
        typer.echo(report.to_text(all_layers=all_layers), nl=False)
        if verdicts:
            typer.echo("\nConstraints")
            print_verdicts(verdicts)


def print_to_terminal(report: Report, verdicts: Iterable[ConstraintResult], *, all_layers: bool) -> None:
    """Print table, totals and constraints, fitted to the terminal, in color unless NO_COLOR is set."""
    from rich.console import Console
    from rich.text import Text

    from fieldspec.analysis.report.text.summary import notes, summary
    from fieldspec.analysis.report.text.terminal import terminal_lines

    console = Console(highlight=False, markup=False, emoji=False)
    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    for line in terminal_lines(report, console.width, all_layers=all_layers, ascii_only=ascii_only):
        console.print(line, end="\n", no_wrap=True, overflow="crop")
    console.print()
    console.print(Text(report.name, style="bold"))
    for words in [*summary(report), *notes(report)]:
        console.print(Text(f"  {words}"))
    told = list(verdicts)
    if told:
        console.print("\nConstraints")
    for verdict in told:
        sign = Text(f"  {verdict.word:<8}", style="green" if verdict.holds else "bold red")
        console.print(sign + Text(str(verdict)))


def report_and_constraints(spec: str, input_size: str | None, given: list[str] | None) -> tuple[Report, Constraints]:
    """The report of a spec with its constraints, or of a PyTorch network, which has none."""
    from fieldspec.architectures.readings.reports import analyze as report_of
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.architectures.spec.constraints import Constraints

    is_module = is_module_name(spec)
    if not is_module:
        size = None if input_size is None else input_size_of(input_size, range(3, 4))
        loaded = load_spec(spec, given)
        return report_of(loaded, input_size=size), loaded.constraints
    if given:
        raise FieldspecError(f"--set is for a spec; {spec} takes its settings after a comma, such as in_chans=1")
    with spinner(f"running {spec} without values"):
        from fieldspec.analysis.trace import report_of_module
        from fieldspec.architectures.readings.named_modules import named_module

        net, own = named_module(spec, weights=False)
        with input_explained(net, own, input_size):
            return report_of_module(net, module_input_of(input_size) if input_size else own, spec), Constraints()
