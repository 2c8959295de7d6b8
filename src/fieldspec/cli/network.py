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
    from fieldspec.architectures.network.specnet import SpecNet


def build(
    spec: Spec,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; NAME.safetensors by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 0,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="NETWORK", help="Copy the weights of timm:NAME or another named network."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Build the network and write a checkpoint. It is a safetensors file that contains its spec.

    \b
    fieldspec build c1c2c3c40
    fieldspec build my_network.yaml -o net.safetensors --seed 1
    fieldspec build my_resnet.yaml --from timm:resnet18
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
        weights = f"initial weights with seed {seed}" if source is None else _taken(net, source)
        save_checkpoint(path, net)
    params = sum(parameter.numel() for parameter in net.parameters())
    if as_json:
        begun = {"seed": seed} if source is None else {"from": source, "weights": weights}
        print_json({"path": str(path), "name": loaded.name, "hash": loaded.hash, "params": params, **begun})
    else:
        typer.echo(f"{path}: {loaded.name}, {params:,} parameters, {weights}")


def _taken(net: SpecNet, source: str) -> str:
    """Copy the weights of a named network, pretrained if available, and describe them."""
    from fieldspec.architectures.adoption.weights import copy_weights
    from fieldspec.architectures.readings.named_modules import named_module
    from fieldspec.architectures.readings.weights_at_hand import pretrained_settings, weights_text

    module, _ = named_module(source, **pretrained_settings(source))
    return f"{copy_weights(module, net)} tensors of {source}, {weights_text(source)}"
