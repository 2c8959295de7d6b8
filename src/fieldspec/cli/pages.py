"""The command that draws a network: draw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.report import report_and_constraints
from fieldspec.cli.shared import Network, Set

InputOption = Annotated[str | None, typer.Option("--input", metavar="CxHxW", help="Another input, such as 3x64x64.")]
FORMATS = (".svg",)


def draw(
    spec: Network,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write: .svg.")],
    all_open: Annotated[bool, typer.Option("--open", help="Open every block, however large the drawing.")] = False,
    input_size: InputOption = None,
    given: Set = None,
) -> None:
    """Draw a network: a box for each layer, branches side by side.

    At first as many blocks are open as fit into about fifty boxes.

    \b
    fieldspec draw c1c2c3c40 -o net.svg
    fieldspec draw torchvision:googlenet --open -o googlenet.svg
    """
    from fieldspec.pages.drawing.svg import svg_of

    if output.suffix not in FORMATS:
        raise FieldspecError(f"{output}: needs a name that ends in {' or '.join(FORMATS)}")
    report, _ = report_and_constraints(spec, input_size, given)
    output.write_text(svg_of(report, all_open=all_open), encoding="utf-8")
    typer.echo(f"{output}: {report.name}, {len(report.layers) - 1} layers")
