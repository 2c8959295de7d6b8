"""Misclassified images, as rows of a table."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.evaluation import Evaluation

PICTURED = 24  # mistakes whose images are kept, the most confident
LARGEST_SIDE = 96  # of such an image, in pixels
MISTAKE_COLUMNS = ("number", "actual", "predicted", "confidence")


def mistakes(evaluation: Evaluation, images: Images) -> list[dict[str, Any]]:
    """List the mistakes, most confident first: image number, file if any, both classes, confidence."""
    wrong = np.flatnonzero(evaluation.predictions != evaluation.labels)
    confidence = evaluation.probabilities.max(1)
    names = evaluation.classes
    rows = []
    for number in wrong[np.argsort(-confidence[wrong], kind="stable")].tolist():
        row: dict[str, Any] = {"number": number}
        row |= {"file": images.files[number]} if images.files else {}
        row |= {"actual": names[evaluation.labels[number]], "predicted": names[evaluation.predictions[number]]}
        rows.append({**row, "confidence": round(float(confidence[number]), 6)})
    return rows


def pictures_of(wrong: Sequence[Mapping[str, Any]], images: Images) -> list[str]:
    """Thumbnails of the first mistakes, as base64 PNG; empty unless the images are gray or RGB."""
    if images.pixels.shape[-1] not in (1, 3):
        return []
    found = []
    for row in wrong[:PICTURED]:
        pixels = images.pixels[row["number"]]
        image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
        image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
        out = io.BytesIO()
        image.save(out, "PNG", optimize=True)
        found.append(base64.b64encode(out.getvalue()).decode())
    return found
