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
    """Formats; same values as `fieldspec.export.FileFormat`."""

    tflite = "tflite"
    tflite_int8 = "tflite-int8"
    onnx = "onnx"
    onnx_int8 = "onnx-int8"
    python = "python"


def export(
    source: Annotated[
        str, typer.Argument(metavar="SPEC|RUN", help="A catalogue name, a spec file, a run folder or a checkpoint.")
    ],
    to: Annotated[Form, typer.Option("--to", help="The format.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write; by default the network's name.")
    ] = None,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use pretrained weights.")] = False,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="Images to calibrate int8 and to evaluate the file, as for train."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Write the best operator order and tensor offsets into an int8 .tflite.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights of a spec.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    as_json: Json = False,
) -> None:
    """Write a network to a file for an engine, and check it. A card is written beside it.

    In a .tflite file, norms are folded and activations fused, as analyze --engine tflm shows. A float file is checked
    against PyTorch; for an int8 .tflite, flash and RAM are checked against the report, with LiteRT-Micro if its wheel
    is installed. A spec without weights is written with initial weights, which is enough for sizes.

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
    """Format what was written and checked, and the file's accuracy."""
    card = exported.card
    lines = [f"{exported.path}: {card['name']} as {card['format']}, {card['bytes']:,} bytes, {card['weights']}"]
    if "apart" in card:
        how = f"to {card['apart']:.0e} of the largest output" if card["apart"] else "bit-identical"
        lines.append(f"  same outputs as PyTorch, {how}")
    if engine := card.get("engine"):
        claimed = engine["sram"]["planned" if engine["plan_in_file"] else "tflm"]
        measured = "as LiteRT-Micro reports" if engine["arena_head"] else "not measured: tflite-micro is not installed"
        lines.append(f"  flash {engine['flash']:,} bytes; arena head {claimed:,} bytes, {measured}")
    if "test_accuracy" in card:
        named = f"{100 * card['test_accuracy']:.2f} % of {card['images']:,} test images"
        lines.append(f"  {named}; PyTorch {100 * card['float_accuracy']:.2f} %")
        if "simulation_agreement" in card:
            same = f"{100 * card['simulation_agreement']:.2f} % of the predictions equal those of the simulation"
            lines.append(f"  {same}, which has {100 * card['simulated_accuracy']:.2f} %")
    elif card["format"].endswith("int8") and card.get("ranges") != "learned":
        lines.append("  ranges are assumed: give --data for an int8 file with meaningful outputs")
    return [*lines, f"  card: {exported.card_path}"]
