"""The commands that read specs: list, show, check, diff, schema."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.formatting import size_text
from fieldspec.cli.shared import SPEC_HELP, Json, Set, Spec, load_spec, print_json, print_verdicts

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report
    from fieldspec.architectures.network.pretrained import PretrainedWeights


Before = Annotated[str, typer.Argument(metavar="BEFORE", help=SPEC_HELP)]
After = Annotated[str, typer.Argument(metavar="AFTER", help=SPEC_HELP)]


class SpecFormat(StrEnum):
    """What `show` writes."""

    yaml = "yaml"
    json = "json"


def list_networks(as_json: Json = False) -> None:
    """The networks of the catalogue, with what they cost and see.

    WEIGHTS are those that ship with fieldspec: their accuracy on test images, and their recipe.

    \b
    fieldspec list
    fieldspec list --json
    """
    from fieldspec.architectures.network.pretrained import weights_of
    from fieldspec.architectures.readings.reports import analyze

    specs = [load(name) for name in catalogue.list_models()]
    rows = [(analyze(spec), weights_of(spec.hash)) for spec in specs]
    if as_json:
        keys = ("name", "input", "params", "macs")
        print_json([{key: getattr(r, key) for key in keys} | _field(r) | _weights(shipped) for r, shipped in rows])
        return
    width = max(len(report.name) for report, _ in rows)
    typer.echo(f"{'NAME':<{width}}  {'INPUT':>9}  {'FIELD':>6}  {'PARAMS':>9}  {'MACS':>12}  WEIGHTS")
    for report, shipped in rows:
        size = size_text(report.input)
        field = min(report.features.receptive_field)
        trained = ", ".join(f"{100 * one.card['test_accuracy']:.2f} % {one.tag}" for one in shipped) or "-"
        typer.echo(f"{report.name:<{width}}  {size:>9}  {field:>6}  {report.params:>9,}  {report.macs:>12,}  {trained}")


def _weights(shipped: list[PretrainedWeights]) -> dict[str, Any]:
    said = ("data", "epochs", "test_accuracy")
    return {"weights": [{"name": one.name} | {key: one.card[key] for key in said} for one in shipped]}


def _field(report: Report) -> dict[str, Any]:
    return {"receptive_field": report.features.receptive_field}


def show(
    spec: Spec,
    canonical: Annotated[bool, typer.Option("--canonical", help="With every default and id filled in.")] = False,
    format: Annotated[SpecFormat, typer.Option(help="How to write it.")] = SpecFormat.yaml,
    given: Set = None,
) -> None:
    """Print a spec, its canonical form, or a recipe.

    \b
    fieldspec show c1c2c3c40
    fieldspec show fast25
    fieldspec show c1c2c3c40 --canonical --format json
    """
    from fieldspec.architectures.spec.writer import dump
    from fieldspec.training.recipe.recipe import recipe_names, recipe_path

    if spec not in catalogue.list_models() and spec in recipe_names():
        typer.echo(recipe_path(spec).read_text(encoding="utf-8"), nl=False)
        return
    loaded = load_spec(spec, given)
    if spec in catalogue.list_models() and not given and format is SpecFormat.yaml and not canonical:
        typer.echo(catalogue.path(spec).read_text(encoding="utf-8"), nl=False)  # with its comments
        return
    typer.echo(dump(loaded, format=format.value, canonical=canonical), nl=False)


def check(spec: Spec, as_json: Json = False, given: Set = None) -> None:
    """The constraints of a spec, each with its verdict. Exit status 1 if one is broken.

    \b
    fieldspec check c1c2c3c40
    fieldspec check my_network.yaml --json
    """
    from fieldspec.architectures.readings.reports import report_of_spec
    from fieldspec.architectures.spec.constraints import evaluate_constraints

    loaded = load_spec(spec, given)
    verdicts = evaluate_constraints(loaded.constraints, report_of_spec(loaded))
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if as_json:
        rows = [{"constraint": v.name, "needs": v.needs, "has": v.has, "holds": v.holds} for v in verdicts]
        print_json({"schema": 1, "name": loaded.name, "holds": not broken, "constraints": rows})
    elif not verdicts:
        typer.echo(f"{loaded.name} states no constraints")
    else:
        print_verdicts(verdicts)
    if broken:
        raise typer.Exit(1)


def diff(
    before: Before,
    after: After,
    as_json: Json = False,
    given_before: Annotated[
        list[str] | None,
        typer.Option("--set-before", metavar="NAME=VALUE", help="A value for a parameter of the first; repeatable."),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value for a parameter of the second; repeatable."),
    ] = None,
) -> None:
    """What two specs differ in: settings and numbers. Exit status 1 if they differ, as diff(1) does.

    \b
    fieldspec diff c1c2c3c40 c1c2c3c40_wide
    fieldspec diff old.yaml new.yaml --json
    """
    from fieldspec.architectures.readings.comparison import diff as compare

    difference = compare(load_spec(before, given_before), load_spec(after, given))
    if as_json:
        print_json(difference.to_dict())
    else:
        typer.echo(str(difference))
    if difference:
        raise typer.Exit(1)


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the reference of the language instead.")] = False,
    recipe: Annotated[bool, typer.Option("--recipe", help="Of a recipe instead.")] = False,
) -> None:
    """The JSON Schema of a spec or a recipe, for editors.

    \b
    fieldspec schema --markdown > spec.md
    fieldspec schema > fieldspec.schema.json
    fieldspec schema --recipe > recipe.schema.json
    and, at the top of a spec:  # yaml-language-server: $schema=fieldspec.schema.json
    """
    if markdown:
        from fieldspec.architectures.reference.reference import markdown as reference

        typer.echo(reference(), nl=False)
        return
    if recipe:
        from fieldspec.training.recipe.schema import recipe_schema

        print_json(recipe_schema())
        return
    from fieldspec.architectures.spec.schema import json_schema

    print_json(json_schema())
