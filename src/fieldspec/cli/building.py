"""The commands that build the network of a spec: build, verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import (
    Json,
    Network,
    Set,
    Spec,
    input_size_of,
    load_spec,
    module_input_of,
    print_json,
    spinner,
)

if TYPE_CHECKING:
    from fieldspec.architectures.readings.verification import Verification


def build(
    spec: Spec,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; NAME.safetensors by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Build the network and write a checkpoint. It is a safetensors file that carries its spec.

    \b
    fieldspec build c1c2c3c40
    fieldspec build my_network.yaml -o net.safetensors --seed 1
    """
    loaded = load_spec(spec, given)
    path = output or Path(f"{loaded.name}.safetensors")
    if path.exists() and not force:
        raise FieldspecError(f"{path}: exists already; give --force to overwrite it, or another --output")
    with spinner(f"building {loaded.name}"):
        import torch

        from fieldspec.architectures.network.builder import build as build_network
        from fieldspec.architectures.network.checkpoint import save_checkpoint

        torch.manual_seed(seed)
        net = build_network(loaded)
        save_checkpoint(path, net)
    params = sum(parameter.numel() for parameter in net.parameters())
    if as_json:
        print_json({"path": str(path), "name": loaded.name, "hash": loaded.hash, "params": params, "seed": seed})
    else:
        typer.echo(f"{path}: {loaded.name}, {params:,} parameters, initial weights of seed {seed}")


def verify(
    spec: Network,
    timm: Annotated[bool, typer.Option("--timm", help="Check timm's contract instead, point by point.")] = False,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", metavar="ID", help="Measure the field of this layer; repeatable.")
    ] = None,
    input_size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Another input, such as 3x64x64.")
    ] = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Build the network, measure it, compare every number. Exit status 1 if one differs from what was claimed.

    Fields are measured by the gradient of the linearized network, multiply-adds by torch's FlopCounterMode.

    \b
    fieldspec verify c1c2c3c40                parameters, shapes, multiply-adds, fields, memory
    fieldspec verify my_network.yaml --timm   reset_classifier, features_only, script, export, ...
    fieldspec verify timm:resnet50            any PyTorch network, stage by stage
    fieldspec verify torchvision:googlenet --layer inception4e --layer inception3b
    """
    if timm and (layer or input_size):
        raise FieldspecError("--timm checks the whole network at its own input; leave --layer and --input out")
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
    """The measurements of a spec's network, or of one of PyTorch."""
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.architectures.readings.verification import verify as measure

    if not is_module_name(spec):
        size = None if input_size is None else input_size_of(input_size, range(3, 4))
        return measure(load_spec(spec, given), input_size=size, layers=layers)
    from fieldspec.architectures.readings.named_modules import named_module

    net, own = named_module(spec)
    size = None if input_size is None else module_input_of(input_size)
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
