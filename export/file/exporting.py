"""Export of a network: write a file, check it, and describe it in a card."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.file.checks import accuracy, answers_of
from fieldspec.export.file.formats import FileFormat, need_packages
from fieldspec.export.file.images import judging_images
from fieldspec.export.file.making import MAKERS, ExportTask, Made
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

SCHEMA = 1


@dataclass(frozen=True)
class Exported:
    """A written and checked file, with its card."""

    path: Path
    card: dict[str, Any]

    @property
    def card_path(self) -> Path:
        """Path of the card: the file's full name with .json appended, since a spec may be called `net.json`."""
        return self.path.with_name(f"{self.path.name}.json")


def export_network(
    network: TrainedNetwork,
    to: FileFormat,
    path: str | os.PathLike[str],
    *,
    data: str | None = None,
    planned: bool = False,
    force: bool = False,
) -> Exported:
    """Export a network to a file, check the file, and write its card.

    Args:
        network: The trained network, in eval mode.
        to: The format.
        path: Path of the file. Its card is written beside it, as NAME.json, and so are the weights of a Python file,
            as NAME.safetensors.
        data: The data, as `load_data` takes it, to calibrate int8 and to evaluate the file. Without data, ranges are
            assumed, which is enough for sizes.
        planned: Whether to write the best operator order and offsets into an int8 file.
        force: Whether to overwrite existing files.

    Raises:
        EngineError: The engine cannot run the network; names every unsupported layer.
        ExportError: The file does not match the network or the report.
        FieldspecError: The file exists, or a package is missing.
    """
    exported = Exported(Path(path), {})
    need_packages(to)
    if planned and to is not FileFormat.tflite_int8:
        raise FieldspecError(f"only {FileFormat.tflite_int8} files have a plan; remove it")
    if network.net.ends and to is not FileFormat.python:
        outputs, python = len(network.net.ends), FileFormat.python
        raise FieldspecError(f"{network.name} has {outputs} outputs, but {to} files have one; export it to {python}")
    weights = [exported.path.with_suffix(".safetensors")] if to is FileFormat.python else []
    for file in (exported.path, exported.card_path, *weights):
        if file.exists() and not force:
            taken = f"{file}: already exists, and the weights of {exported.path.name} go there"
            if file in weights:
                raise FieldspecError(f"{taken}; give another name with --output, or use --force to overwrite it")
            raise FieldspecError(f"{file}: already exists; use --force to overwrite it, or give another name")
    made = MAKERS[to](ExportTask(network, _said(network), data, planned))
    exported.card.update(_card(network, to, len(made.content), made.checked))
    if data is not None and network.classes:
        exported.card.update(_judge(made, network, data))
    exported.path.write_bytes(made.content)
    if to is FileFormat.python:
        save_file(network.net.state_dict(), exported.path.with_suffix(".safetensors"))
    exported.card_path.write_text(json.dumps(exported.card, indent=2) + "\n", encoding="utf-8")
    return exported


def _said(network: TrainedNetwork) -> dict[str, Any]:
    """The metadata of a file, with which it can be used on its own."""
    return {
        "schema": SCHEMA,
        "name": network.name,
        "hash": network.spec.hash,
        "spec": network.spec.to_dict(),
        "input": list(network.spec.input),
        "classes": list(network.classes),
        "mean": list(network.mean),
        "std": list(network.std),
    }


def _card(network: TrainedNetwork, to: FileFormat, size: int, checked: dict[str, Any]) -> dict[str, Any]:
    made = {"fieldspec": version("fieldspec"), **_versions(to)}
    return {**_said(network), "format": to.value, "weights": network.source, "bytes": size, "made_by": made, **checked}


def _versions(to: FileFormat) -> dict[str, str]:
    return {package: version(package.replace("_", "-")) for package in ("torch", *to.packages)}


def _judge(made: Made, network: TrainedNetwork, data: str) -> dict[str, Any]:
    """Evaluate the file and PyTorch on the test images: both accuracies, and the share of equal predictions.

    For networks trained in int8, also the simulation's accuracy and its agreement with the file.
    """
    name, images, labels = judging_images(network, data)
    own, theirs = made.run(images).reshape(len(images), -1), answers_of(network.net, images)
    judged = {
        "data": name,
        "images": len(images),
        "test_accuracy": accuracy(own, labels),
        "float_accuracy": accuracy(theirs, labels),
        "agreement": float((own.argmax(1) == theirs.argmax(1)).mean()),
    }
    if made.simulation is not None:
        simulated = answers_of(made.simulation, images)
        judged["simulated_accuracy"] = accuracy(simulated, labels)
        judged["simulation_agreement"] = float((own.argmax(1) == simulated.argmax(1)).mean())
    return judged
