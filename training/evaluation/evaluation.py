"""Evaluation of a network on a set of images: accuracy, loss, calibration, confusion matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from numpy.typing import NDArray
from torch import Tensor, nn

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.data.images import Images
from fieldspec.training.data.normalization import Normalize

SCHEMA = 1
BINS = 15  # of confidence, for the calibration error
BATCH = 500


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network's predictions on a set of images, and metrics computed from them.

    `probabilities` (n, classes) come from a single view of each image; `flipped` averages them with those of the
    mirror image, and is only used for the flip-averaged accuracy.
    """

    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    flipped: NDArray[np.float32]
    loss: float  # mean cross entropy, in nats

    @property
    def predictions(self) -> NDArray[np.int64]:
        """Index of the most probable class of each image: (n,)."""
        likeliest: NDArray[np.int64] = self.probabilities.argmax(1)
        return likeliest

    @property
    def accuracy(self) -> float:
        """Share of the images that are classified correctly, 0..1."""
        return float((self.predictions == self.labels).mean())

    @property
    def flip_accuracy(self) -> float:
        """Accuracy of the mean over image and mirror image; not comparable with the accuracy of single views."""
        return float((self.flipped.argmax(1) == self.labels).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Confusion matrix of counts: (actual, predicted)."""
        count = len(self.classes)
        flat = np.bincount(self.labels * count + self.predictions, minlength=count * count)
        return flat.reshape(count, count)

    @property
    def per_class(self) -> dict[str, float | None]:
        """Accuracy by class; None for a class without images."""
        confusion = self.confusion
        counts = confusion.sum(1)
        right = confusion.diagonal()
        pairs = zip(right, counts, strict=True)
        values = [int(r) / int(n) if n else None for r, n in pairs]
        return dict(zip(self.classes, values, strict=True))

    @property
    def reliability(self) -> list[tuple[int, float, float]]:
        """Number of images, mean confidence and accuracy for each of 15 equal bins of confidence."""
        confidence = self.probabilities.max(1)
        right = self.predictions == self.labels
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)  # (low, high], as Guo et al.
        rows = []
        for number in range(BINS):
            inside = bins == number
            count = int(inside.sum())
            rows.append((count, float(confidence[inside].mean()), float(right[inside].mean())) if count else (0, 0, 0))
        return rows

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, weighted by bin size.

        Source:
            Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
        """
        return sum(n * abs(said - was) for n, said, was in self.reliability) / len(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number."""
        return {
            "schema": SCHEMA,
            "images": len(self.labels),
            "accuracy": self.accuracy,
            "loss": self.loss,
            "flip_averaged_accuracy": self.flip_accuracy,
            "calibration_error_15_bins": self.calibration_error,
            "calibration_bins": [
                {"images": count, "confidence": said, "accuracy": was} for count, said, was in self.reliability
            ],
            "per_class_accuracy": self.per_class,
            "classes": list(self.classes),
            "confusion": self.confusion.tolist(),
        }

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, split: str = "") -> str:
        """The metrics as text; `split` names the images: test, held-out or train."""
        of = f"{split} " if split else ""
        width = max(map(len, self.classes))
        rows = [
            f"  {name:<{width}}  {f'{100 * value:6.2f} %' if value is not None else 'no images'}"
            for name, value in self.per_class.items()
        ]
        return "\n".join(
            [
                f"{of}accuracy {100 * self.accuracy:.2f} %, loss {self.loss:.4f} on {len(self.labels):,} images",
                f"flip-averaged {of}accuracy {100 * self.flip_accuracy:.2f} %",
                f"calibration error (15 bins) {100 * self.calibration_error:.2f} %",
                *rows,
            ]
        )


def evaluate(
    net: nn.Module,
    images: Images,
    *,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Evaluate a network on images, in float32 and eval mode.

    Args:
        net: The network, with one logit per class.
        images: In the network's input size.
        mean: Mean of each channel in training, in 0..1 units.
        std: Standard deviation, likewise.
        device: The device to compute on.

    Raises:
        FieldspecError: There are no images, the number of classes differs, or an output is not finite.
    """
    if not len(images):
        raise FieldspecError("there are no images to evaluate on")
    probabilities, flipped, losses = [], [], []
    labels = torch.from_numpy(images.labels)
    for start in range(0, len(images), BATCH):
        part = slice(start, start + BATCH)
        pixels = torch.from_numpy(images.pixels[part])
        once, mirrored = (logits(net, batch, mean, std, device) for batch in (pixels, pixels.flip(2)))
        if once.shape[1] != len(images.classes):
            raise FieldspecError(f"the network has {once.shape[1]} classes, but the images have {len(images.classes)}")
        losses.append(F.cross_entropy(once, labels[part], reduction="sum").item())
        probabilities.append(once.softmax(1))
        flipped.append((once.softmax(1) + mirrored.softmax(1)) / 2)
    loss = sum(losses) / len(images)
    if not math.isfinite(loss):
        raise FieldspecError(f"the network's outputs are not finite: the loss is {loss}")
    return Evaluation(images.classes, images.labels, torch.cat(probabilities).numpy(), torch.cat(flipped).numpy(), loss)


def logits(
    net: nn.Module, pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device | str = "cpu"
) -> Tensor:
    """Logits of uint8 images, on the CPU: (batch, height, width, channels) -> (batch, classes)."""
    normalize = Normalize(mean, std).to(device)
    net = net.to(device).eval()
    with torch.inference_mode():
        answers: Tensor = net(normalize.of_bytes(pixels))
    return answers.float().cpu()
