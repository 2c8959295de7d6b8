"""The images that a network names wrongly, as rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from fieldspec.training.data.images import Images
from fieldspec.training.evaluation.evaluation import Evaluation

MISTAKE_COLUMNS = ("number", "actual", "predicted", "confidence")


def mistakes(evaluation: Evaluation, images: Images) -> list[dict[str, Any]]:
    """The most confident first: number among the images, file where there is one, both classes, confidence."""
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
