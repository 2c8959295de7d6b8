"""The command that verifies a network against its report: verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import (
    Json,
    ModuleInput,
    Network,
    Set,
    input_explained,
    input_size_of,
    load_spec,
    module_input_of,
    print_json,
    spinner,
)

if TYPE_CHECKING:
    from fieldspec.architectures.readings.verification import Verification


def verify(
    spec: Network,
    timm: Annotated[bool, typer.Option("--timm", help="Check timm's contract instead, point by point.")] = False,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", metavar="ID", help="Measure the field of this layer; repeatable.")
    ] = None,
    input_size: ModuleInput = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Build the network, measure it and compare every number. Exit status 1 if one differs.

    Fields are measured as gradients of the linearized network, multiply-adds with torch's FlopCounterMode.

    \b
    fieldspec verify c1c2c3c40                parameters, shapes, multiply-adds, fields, memory
    fieldspec verify my_network.yaml --timm   reset_classifier, features_only, script, export, ...
    fieldspec verify timm:resnet50            any PyTorch network, stage by stage
    fieldspec verify torchvision:googlenet --layer inception4e --layer inception3b
    """
    if timm and (layer or input_size):
        raise FieldspecError("--timm checks the whole network at its own input size; remove --layer and --input")
    if timm:
        ok = _check_contract(load_spec(spec, given), as_json)
    else:
        with spinner(f"building and measuring {spec}"):
            verification = _verification(spec, input_size, layer, given)
        ok = verification.ok
        if as_json:
            print_json(verification.to_dict())
        else:
            typer.echo(str(verification))
    if not ok:
        raise typer.Exit(1)


def _verification(spec: str, input_size: str | None, layers: list[str] | None, given: list[str] | None) -> Verification:
    """Verify a spec's network, or a PyTorch network."""
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.architectures.readings.verification import verify as measure

    if not is_module_name(spec):
        size = None if input_size is None else input_size_of(input_size, range(3, 4))
        return measure(load_spec(spec, given), input_size=size, layers=layers)
    from fieldspec.architectures.readings.named_modules import named_module

    net, own = named_module(spec)
    size = None if input_size is None else module_input_of(input_size)
    with input_explained(net, own, input_size):
        return measure(net, input_size=size or own, layers=layers, name=spec)


def _check_contract(spec: ArchitectureSpec, as_json: bool) -> bool:
    with spinner(f"checking {spec.name} against timm's contract"):
        from fieldspec.architectures.contract import timm_contract

        points = timm_contract(spec)
    ok = all(point.ok for point in points)
    if as_json:
        rows = [{"point": p.name, "ok": p.ok, "detail": p.detail} for p in points]
        print_json({"schema": 1, "name": spec.name, "ok": ok, "points": rows})
    else:
        for point in points:
            detail = f": {point.detail}" if point.detail else ""
            typer.echo(f"  {'ok    ' if point.ok else 'FAILED'}  {point.name}{detail}")
        typer.echo(f"{sum(point.ok for point in points)} of {len(points)} points hold")
    return ok
