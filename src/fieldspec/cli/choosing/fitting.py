"""The command that changes a spec as little as possible: fit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fieldspec.cli.catalogue import adopted
from fieldspec.cli.shared import Json, Network, Profile, Set, load_spec, print_json, spinner, tell_written


def fit(
    spec: Network,
    to: Annotated[
        str, typer.Option("--to", metavar="CONSTRAINTS", help="Such as 'params < 150k, receptive_field > 64'.")
    ],
    alternatives: Annotated[int, typer.Option(min=1, help="Maximum number of solutions.")] = 5,
    changes: Annotated[int, typer.Option(min=1, max=6, help="Maximum number of changes in one solution.")] = 3,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A folder for the changed specs.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace earlier results in --output.")] = False,
    input_size: Annotated[
        str | None,
        typer.Option("--input", metavar="CxHxW", help="Another input, for a PyTorch network, such as 3x64x64."),
    ] = None,
    profile: Profile = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Find the smallest changes to a spec that meet other constraints.

    A change is another width, kernel, dilation, stride or number of copies of one item, or dropping the item. Widths
    range from half to twice the old one, in steps of 4, or of 1 below 16. The spec's own constraints on other measures
    still apply. = fills a budget: as close to it as these changes come, but not above.
    A PyTorch network is converted to a spec first. Exit status 1 if there is no solution.

    \b
    fieldspec fit c1c2c3c40 --to 'params < 150k, receptive_field > 64'
    fieldspec fit c1c2c3c40 --to 'params = 199k' -o filled
    fieldspec fit c1c2c3c40 --to 'latency_ms < 2' --profile laptop.json
    fieldspec fit torchvision:resnet18 --to 'params < 10M' --input 3x64x64 --changes 1
    """
    from fieldspec.analysis.latency.profile import load_profile
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.search.fitting.fit import fit as fitted
    from fieldspec.search.fitting.text import plain_data, text, write_fits
    from fieldspec.search.results.folder import check_folder

    loaded = adopted(spec, input_size) if is_module_name(spec) else load_spec(spec, given)
    if output is not None:
        check_folder(output, loaded.name, force=force)
    with spinner("comparing changes"):
        machine = None if profile is None else load_profile(profile)
        result = fitted(loaded, to, alternatives=alternatives, most_changes=changes, profile=machine)
    if as_json:
        print_json(plain_data(result))
    else:
        typer.echo(text(result))
    if output is not None:
        tell_written(write_fits(result, output), output)
    if not result.fits:
        raise typer.Exit(1)
