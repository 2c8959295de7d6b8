"""A file against what it was made from: PyTorch's answers, and the bytes that were claimed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fieldspec.analysis.inference.engine import EngineReport
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.engines.arrays import Answers, Pixels
from fieldspec.export.engines.tflm import measured_arena
from fieldspec.export.litert.metadata import flash_in
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

TOLERANCE = 1e-4  # of the largest answer, or of 1 where all are smaller


class ExportError(FieldspecError):
    """A written file that is not what was claimed of it."""


def answers_of(net: nn.Module, images: Pixels, batch: int = 500) -> Answers:
    """PyTorch's: (images, channels, height, width) -> (images, classes), or a map each; several outputs in one row."""
    with torch.no_grad():
        parts = [end_to_end(net(torch.from_numpy(images[at : at + batch]))) for at in range(0, len(images), batch)]
    answers: Answers = torch.cat(parts).numpy()
    return answers


def end_to_end(answer: Tensor | list[Tensor]) -> Tensor:
    """The outputs of a network that has several, each flattened, in one row an image; a single one as it is."""
    return answer if isinstance(answer, Tensor) else torch.cat([one.flatten(1) for one in answer], 1)


def check_floats(run: Callable[[Pixels], Answers], network: TrainedNetwork, images: Pixels) -> float:
    """The largest difference from PyTorch, as a part of the largest answer.

    Raises:
        ExportError: It is above 1e-4.
    """
    want = answers_of(network.net, images)
    got = run(images).reshape(want.shape)
    apart = float(np.abs(got - want).max() / max(1.0, float(np.abs(want).max())))
    if not apart <= TOLERANCE:
        raise ExportError(f"the file answers otherwise than PyTorch, by {apart:.1e} of the largest answer")
    return apart


def check_bytes(model: bytes, report: EngineReport, *, planned: bool) -> dict[str, Any]:
    """Flash and the arena of an int8 file: claimed, and as they are.

    Raises:
        ExportError: They differ.
    """
    claimed = report.plan.size if planned else report.head
    found: dict[str, Any] = {"flash": flash_in(model), "arena_head": None, "arena_tail": None}
    if found["flash"] != report.flash:
        raise ExportError(f"flash was said to be {report.flash:,} bytes, and the file has {found['flash']:,}")
    if find_spec("tflite_micro") is None:
        return found  # there is no wheel for every platform
    arena = measured_arena(model)
    if arena.head != claimed:
        raise ExportError(f"the arena's head was said to be {claimed:,} bytes, and LiteRT-Micro takes {arena.head:,}")
    return found | {"arena_head": arena.head, "arena_tail": arena.tail}


def check_plain(text: str, network: TrainedNetwork, images: Pixels) -> Callable[[Pixels], Answers]:
    """The network of a plain file, with the weights: how it is run.

    Raises:
        ExportError: It does not take the state dict, or answers with other bits.
    """
    names: dict[str, Any] = {"__name__": "plain"}
    exec(compile(text, f"{network.name}.py", "exec"), names)  # what was just written
    plain = names["Net"]().eval()
    try:
        plain.load_state_dict(network.net.state_dict())
    except RuntimeError as error:
        raise ExportError(f"the plain network does not take the weights: {error}") from None

    def run(given: Pixels) -> Answers:
        with torch.no_grad():
            answers: Answers = end_to_end(plain(torch.from_numpy(given))).numpy()
        return answers

    if not np.array_equal(run(images), answers_of(network.net, images)):
        raise ExportError("the plain network answers with other bits")
    return run


def accuracy(answers: Answers, labels: npt.NDArray[np.int64]) -> float:
    """Share of images that are named rightly, 0..1."""
    return float((answers.argmax(1) == labels).mean())
