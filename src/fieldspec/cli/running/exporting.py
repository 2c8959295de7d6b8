"""The command that writes a network to a file for an engine: export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fieldspec.cli.shared import Json, need, print_json, spinner

if TYPE_CHECKING:
    from fieldspec.export.file.exporting import Exported


class Form(StrEnum):
    """What a network is exported to; the same words as `fieldspec.export.FileFormat`."""

    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    python = "python"


def export(
    source: Annotated[
        str, typer.Argument(metavar="SPEC|RUN", help="A catalogue name, a spec's file, a run's folder, a checkpoint.")
    ],
    to: Annotated[Form, typer.Option("--to", help="The form of the file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; by default the network's name.")
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use the weights that ship with fieldspec.")] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="Images that calibrate int8 and judge the file, as for train."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Write the best order and offsets of the tensors into an int8 .tflite.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the weights of a spec that has none.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write a network to a file for an engine, and check it. A card goes beside it.

    In a .tflite norms are folded and activations fused, as analyze --engine tflm shows. A float file is compared with
    PyTorch, an int8 .tflite with the bytes that were claimed of it, by LiteRT-Micro where its wheel is installed. A
    spec without weights is written as it is initialised: enough for sizes.

    \b
    fieldspec export c1c2c3c40 --to tflite-int8 --pretrained --data cifar10
    fieldspec export runs/c1c2c3c40-fast25 --to tflite -o net.tflite
    fieldspec export my_network.yaml --to tflite-int8 --plan
    fieldspec export c1c2c3c40 --to python --pretrained       torch alone, without fieldspec
    """
    need("export", "export", "ai_edge_litert", "flatbuffers", "onnx")
    with spinner(f"exporting {source}"):
        from fieldspec.export.file.exporting import export_network
        from fieldspec.export.file.formats import FileFormat
        from fieldspec.export.file.sources import network_of

        form = FileFormat(to.value)
        network = network_of(source, pretrained=pretrained, seed=seed)
        path = output or Path(f"{network.name}{form.suffix}")
        exported = export_network(network, form, path, data=data, planned=plan, force=force)
    if as_json:
        print_json({"path": str(exported.path), **exported.card})
    else:
        typer.echo("\n".join(_lines(exported)))


def _lines(exported: Exported) -> list[str]:
    """What was written, what was checked, and what the file answers."""
    card = exported.card
    lines = [f"{exported.path}: {card['name']} as {card['format']}, {card['bytes']:,} bytes, {card['weights']}"]
    if "apart" in card:
        how = f"to {card['apart']:.0e} of the largest answer" if card["apart"] else "bit by bit"
        lines.append(f"  answers as PyTorch does, {how}")
    if engine := card.get("engine"):
        claimed = engine["sram"]["planned" if engine["plan_in_file"] else "tflm"]
        measured = "as LiteRT-Micro reports" if engine["arena_head"] else "not measured: tflite-micro is not installed"
        lines.append(f"  flash {engine['flash']:,} bytes; arena head {claimed:,} bytes, {measured}")
    if "test_accuracy" in card:
        named = f"{100 * card['test_accuracy']:.2f} % of {card['images']:,} test images"
        lines.append(f"  {named}; PyTorch {100 * card['float_accuracy']:.2f} %")
        if "simulation_agreement" in card:
            same = f"{100 * card['simulation_agreement']:.2f} % of them are named as in training"
            lines.append(f"  {same}, where int8 was simulated: {100 * card['simulated_accuracy']:.2f} %")
    elif card["format"].endswith("int8") and card.get("ranges") != "learned":
        lines.append("  ranges are assumed: give --data for an int8 file that answers")
    return [*lines, f"  card: {exported.card_path}"]
