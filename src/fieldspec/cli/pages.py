"""Commands that visualize: draw, report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.analysis.report.picture_files import check_picture_file
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.report import report_and_constraints
from fieldspec.cli.shared import ModuleInput, Network, Set, load_spec, need, spinner, tell_error

if TYPE_CHECKING:
    from fieldspec.pages.facts.exhibit import Exhibit


def draw(
    spec: Network,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write: .svg, .pdf or .png.")],
    all_open: Annotated[bool, typer.Option("--open", help="Open every block, however large the drawing.")] = False,
    input_size: ModuleInput = None,
    given: Set = None,
) -> None:
    """Draw a network: a box for each layer, branches side by side.

    By default, blocks are opened as long as there are no more than about fifty boxes.

    \b
    fieldspec draw c1c2c3c40 -o net.svg
    fieldspec draw torchvision:googlenet --open -o googlenet.pdf
    """
    from fieldspec.pages.drawing.svg import svg_of

    check_picture_file(output)
    if output.suffix != ".svg":
        need(f"draw {output}", "report", "matplotlib")
    report, _ = report_and_constraints(spec, input_size, given)
    if output.suffix == ".svg":
        output.write_text(svg_of(report, all_open=all_open), encoding="utf-8")
    else:
        report.plot_architecture(all_open=all_open).savefig(output, dpi=160)
    typer.echo(f"{output}: {report.name}, {len(report.layers) - 1} layers")


def report(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SPEC|MODULE|RUN", help="One or more specs or networks, as for analyze, or run folders."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The HTML file to write; report.html by default.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a summary for a pull request; no page unless -o is given.")
    ] = False,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIMIT", help="Exit status 1 if this holds, such as 'params > +5%' or 'macs > 20M'; repeatable."
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option("--image", help="A picture to show under the windows; by default, a sample is drawn.")
    ] = None,
    measure: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Images to measure the effective field of a run's weights on, next to the counted one.",
        ),
    ] = None,
    input_size: ModuleInput = None,
    given: Set = None,
) -> None:
    """Write a page on a network, or on several: one HTML file.

    The page is self-contained. It has the drawing, with blocks that can be opened; the window of any unit over a
    picture; costs, memory and constraints; and for a run, its curves, classes and mistakes. Several networks are also
    compared with the first.

    \b
    fieldspec report c1c2c3c40
    fieldspec report torchvision:resnet50 --image photo.jpg -o resnet50.html
    fieldspec report runs/c1c2c3c40-fast25 --measure photos -o run.html
    fieldspec report old.yaml new.yaml --markdown --fail-on 'params > +5%'

    Exit status 1 if a limit of --fail-on is exceeded.
    """
    need("report", "report", "jinja2")
    from fieldspec.pages.comparison.limits import failures, parse_limit
    from fieldspec.pages.comparison.markdown import markdown_of
    from fieldspec.pages.page.page import page_of

    limits = [parse_limit(text) for text in fail_on or ()]
    exhibits = [exhibit_of(source, input_size, given) for source in sources]
    if len({one.name for one in exhibits}) < len(exhibits):  # the same file before and after a change
        exhibits = [replace(one, name=source) for one, source in zip(exhibits, sources, strict=True)]
    if measure is not None:
        exhibits = [with_measured(one, measure) for one in exhibits]
    broken = failures(limits, [one.report for one in exhibits])
    if markdown:
        typer.echo(markdown_of(exhibits, broken), nl=False)
    if output is not None or not markdown:
        path = output or Path("report.html")
        text = page_of(exhibits, image=image)
        path.write_text(text, encoding="utf-8")
        size = f"{len(text.encode()) / 1e6:.2f} MB"
        (tell_error if markdown else typer.echo)(f"{path}: {', '.join(one.name for one in exhibits)}, {size}")
    for one in broken:
        tell_error(f"broken: {one}")
    if broken:
        raise typer.Exit(1)


def with_measured(exhibit: Exhibit, images: Path) -> Exhibit:
    """Add a plot of a run's effective field, measured on a folder of images."""
    if exhibit.run is None:
        raise FieldspecError(f"--measure: needs the weights of a run, which {exhibit.name} is not")
    need("report --measure", "report", "matplotlib")
    with spinner(f"measuring {exhibit.name}"):
        from fieldspec.pages.facts.measured import measured_picture

        picture = measured_picture(exhibit.report, exhibit.run.folder, images)
    pictures = {"effective field, counted and measured": picture, **exhibit.run.pictures}
    return replace(exhibit, run=replace(exhibit.run, pictures=pictures))


def exhibit_of(source: str, input_size: str | None, given: list[str] | None) -> Exhibit:
    """Load the network of a spec, a module or a run, with its known accuracies."""
    from fieldspec.architectures.network.pretrained import weights_of
    from fieldspec.architectures.readings.reports import is_module_name, report_of_spec
    from fieldspec.architectures.spec.spec import load
    from fieldspec.pages.facts.exhibit import Exhibit
    from fieldspec.pages.facts.runs import is_run, read_run

    if is_run(source):
        if given or input_size:
            raise FieldspecError(f"{source}: a run's network cannot be changed; remove --set and --input")
        run = read_run(Path(source))
        spec = load(run.info["spec"])
        known = {run.folder.name: run.accuracy} if run.accuracy is not None else {}
        return Exhibit(report_of_spec(spec), run.folder.name, spec.constraints, known, run)
    report, constraints = report_and_constraints(source, input_size, given)
    if is_module_name(source):
        return Exhibit(report, source)
    shipped = weights_of(load_spec(source, given).hash) if source != "-" and input_size is None else []
    known = {one.name: one.card["test_accuracy"] for one in shipped if one.card.get("test_accuracy")}
    return Exhibit(report, report.name, constraints, known)
