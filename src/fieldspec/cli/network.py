"""The command that builds the network of a spec: build."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import (
    Json,
    Set,
    Spec,
    load_spec,
    print_json,
    spinner,
)

if TYPE_CHECKING:
    pass


def build(
    spec: Spec,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; NAME.safetensors by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Build the network and write a checkpoint. It is a safetensors file that contains its spec.

    \b
    fieldspec build c1c2c3c40
    fieldspec build my_network.yaml -o net.safetensors --seed 1
    """
    loaded = load_spec(spec, given)
    path = output or Path(f"{loaded.name}.safetensors")
    if path.exists() and not force:
        raise FieldspecError(f"{path}: already exists; use --force to overwrite it, or another --output")
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
        typer.echo(f"{path}: {loaded.name}, {params:,} parameters, initial weights from seed {seed}")
