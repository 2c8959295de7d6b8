"""The commands that show the catalogue and its specs: list, show."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.suggestions import did_you_mean
from fieldspec.cli.shared import (
    Json,
    Network,
    Set,
    input_explained,
    load_open_spec,
    load_spec,
    module_input_of,
    names_beginning,
    print_json,
    spinner,
)

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report
    from fieldspec.architectures.network.pretrained import PretrainedWeights
    from fieldspec.architectures.spec.spec import ArchitectureSpec


class SpecFormat(StrEnum):
    """Formats of `show`."""

    yaml = "yaml"
    json = "json"


def list_networks(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="PATTERN",
            help="Only these names, such as '*_wide'.",
            show_default=False,
            autocompletion=names_beginning,
        ),
    ] = "*",
    family: Annotated[bool, typer.Option("--family", help="Only families: networks with parameters.")] = False,
    as_json: Json = False,
) -> None:
    """List the networks of the catalogue, with their cost and field.

    The last column has the pretrained weights, with test accuracy and recipe, or the parameters of a family, with the
    values that the numbers are for.

    \b
    fieldspec list
    fieldspec list --family
    fieldspec list 'resnet*' --json
    fieldspec analyze resnet20 --set depth=56
    """
    from fieldspec.architectures.network.pretrained import weights_of
    from fieldspec.architectures.readings.reports import analyze

    names = catalogue.list_models(pattern)
    if not names:
        raise FieldspecError(f"no network is called {pattern!r}.{did_you_mean(pattern, catalogue.list_models())}")
    specs = [spec for spec in map(load, names) if spec.params or not family]
    if not specs:
        raise FieldspecError(f"no network called {pattern!r} is a family. Leave out --family")
    rows = [(analyze(spec), weights_of(spec.hash), spec.params) for spec in specs]
    if as_json:
        print_json([_data(*row) for row in rows])
        return
    width = max(len(report.name) for report, *_ in rows)
    typer.echo(f"{'NAME':<{width}}  {'INPUT':>9}  {'FIELD':>5}  {'PARAMS':>11}  {'MACS':>14}  WEIGHTS OR --set")
    for report, shipped, params in rows:
        size = size_text(report.input)
        field = min(report.features.receptive_field)
        said = [f"{100 * one.card['test_accuracy']:.2f} % {one.tag}" for one in shipped] or [
            f"{name}={value}" for name, value in params.items()
        ]
        line = f"{report.name:<{width}}  {size:>9}  {field:>5}  {report.params:>11,}  {report.macs:>14,}"
        typer.echo(f"{line}  {', '.join(said) or '-'}")


def _data(report: Report, shipped: list[PretrainedWeights], params: dict[str, Any]) -> dict[str, Any]:
    known = {key: getattr(report, key) for key in ("name", "input", "params", "macs")}
    said = ("data", "epochs", "test_accuracy")
    weights = [{"name": one.name} | {key: one.card[key] for key in said} for one in shipped]
    field = report.features.receptive_field
    return {**known, "receptive_field": field, "weights": weights, "family": params}


def show(
    spec: Network,
    canonical: Annotated[bool, typer.Option("--canonical", help="Fill in every default and id.")] = False,
    format: Annotated[SpecFormat, typer.Option(help="The output format.")] = SpecFormat.yaml,
    input_size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Another input, for a PyTorch network.")
    ] = None,
    given: Set = None,
) -> None:
    """Print a spec, its canonical form, or a recipe.

    A PyTorch network is converted to a spec, with the highest-level blocks that match, and only if the spec's network
    gives the same outputs. Parts that a spec cannot express are listed with their location.

    \b
    fieldspec show c1c2c3c40
    fieldspec show fast25
    fieldspec show c1c2c3c40 --canonical --format json
    fieldspec show timm:resnet18 > my_resnet.yaml
    fieldspec show my_package.nets:make_net --input 1x28x28
    """
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.architectures.spec.writer import dump, written_out
    from fieldspec.training.recipe.recipe import recipe_names, recipe_path

    if spec not in catalogue.list_models() and spec in recipe_names():
        typer.echo(recipe_path(spec).read_text(encoding="utf-8"), nl=False)
        return
    if spec in catalogue.list_models() and not given and format is SpecFormat.yaml and not canonical:
        typer.echo(catalogue.path(spec).read_text(encoding="utf-8"), nl=False)  # comments included
        return
    as_written = not given and format is SpecFormat.yaml and not canonical
    if as_written and os.path.splitext(spec)[1].lower() in (".yaml", ".yml"):
        load_open_spec(spec)  # an invalid text is not shown as a spec
        typer.echo(Path(spec).read_text(encoding="utf-8"), nl=False)
        return
    if is_module_name(spec):
        if given:
            raise FieldspecError(f"--set is for a spec; {spec} takes its settings after a comma, such as in_chans=1")
        typer.echo(dump(adopted(spec, input_size), format=format.value, canonical=canonical), nl=False)
        return
    if input_size is not None:
        raise FieldspecError("--input is for a PyTorch network; a spec has its own input")
    if canonical:
        typer.echo(dump(load_spec(spec, given), format=format.value, canonical=True), nl=False)
    else:
        typer.echo(written_out(load_open_spec(spec, given).to_dict(), format.value), nl=False)


def adopted(name: str, input_size: str | None) -> ArchitectureSpec:
    """Convert a PyTorch network to a spec."""
    with spinner(f"running {name}"):
        from fieldspec.architectures.adoption.adoption import to_spec
        from fieldspec.architectures.readings.named_modules import named_module

        net, own = named_module(name, weights=False)
        plain = name.partition(":")[2].partition(",")[0]
        with input_explained(net, own, input_size):
            return to_spec(net, module_input_of(input_size) if input_size else own, name=plain)
