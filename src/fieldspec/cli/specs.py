"""Commands that read specs: check, diff, schema."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import (
    SPEC_HELP,
    Json,
    Profile,
    Set,
    Spec,
    load_spec,
    names_beginning,
    print_json,
    print_verdicts,
    timed_by,
)

Before = Annotated[str, typer.Argument(metavar="BEFORE", help=SPEC_HELP, autocompletion=names_beginning)]
After = Annotated[str, typer.Argument(metavar="AFTER", help=SPEC_HELP, autocompletion=names_beginning)]


def check(spec: Spec, as_json: Json = False, profile: Profile = None, given: Set = None) -> None:
    """Check the constraints of a spec. Exit status 1 if one is violated.

    A latency_ms constraint refers to a machine, whose profile is given with --profile; without it, the constraint is
    unknown, and the exit status is 1. fieldspec bench checks it against measurements on this machine.

    \b
    fieldspec check c1c2c3c40
    fieldspec check my_network.yaml --json
    fieldspec check my_network.yaml --profile laptop.json
    """
    from fieldspec.architectures.readings.reports import report_of_spec
    from fieldspec.architectures.spec.constraints import evaluate_constraints

    loaded = load_spec(spec, given)
    verdicts = evaluate_constraints(loaded.constraints, timed_by(report_of_spec(loaded), profile))
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if as_json:
        rows = [{"constraint": v.name, "needs": v.needs, "has": v.has, "holds": v.holds} for v in verdicts]
        print_json({"schema": 1, "name": loaded.name, "holds": not broken, "constraints": rows})
    elif not verdicts:
        typer.echo(f"{loaded.name} has no constraints")
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
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit status 1 if they differ, as in git diff.")
    ] = False,
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="Also compare flash and RAM in int8 on an engine: tflm (LiteRT-Micro)."),
    ] = None,
) -> None:
    """Compare the settings and numbers of two specs.

    \b
    fieldspec diff c1c2c3c40 c1c2c3c40_wide
    fieldspec diff mobilenet_v2 mobilenet_v2 --set width=0.5
    fieldspec diff old.yaml new.yaml --exit-code
    fieldspec diff old.yaml new.yaml --engine tflm
    """
    from fieldspec.architectures.readings.comparison import diff as compare
    from fieldspec.architectures.readings.reports import is_module_name

    for one in (before, after):
        if is_module_name(one):
            raise FieldspecError(
                f"diff compares specs, and {one} is a PyTorch network; use fieldspec report {before} {after}, "
                f"or convert it: fieldspec show {one} > a.yaml"
            )

    difference = compare(load_spec(before, given_before), load_spec(after, given), engine=engine)
    if len(set(difference.names)) == 1 and before != after:
        difference = replace(difference, names=(before, after))
    if as_json:
        print_json(difference.to_dict())
    else:
        typer.echo(str(difference))
    if difference and exit_code:
        raise typer.Exit(1)


def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the language reference instead.")] = False,
    recipe: Annotated[bool, typer.Option("--recipe", help="Print the JSON Schema of recipes instead.")] = False,
) -> None:
    """Print the JSON Schema of a spec or a recipe, for editors.

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
