"""Pretrained weights: safetensors files, each with a card (JSON) and a log (CSV). Free of torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights and its card."""

    name: str  # name of the network, then timm's tag, the recipe: c1c2c3c40.fast25
    path: Path
    card: dict[str, Any]

    @property
    def tag(self) -> str:
        """timm's tag, which distinguishes weights of the same network."""
        return self.name.partition(".")[2]


@lru_cache(maxsize=4)
def weights(folder: Path = FOLDER) -> dict[str, list[PretrainedWeights]]:
    """All pretrained weights, by the hash of their spec, with the best on its test images first.

    They remain valid if only constraints or the description of a spec change.
    """
    found: dict[str, list[PretrainedWeights]] = {}
    for path in sorted(folder.glob("*.json")):
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(card["hash"], []).append(PretrainedWeights(path.stem, path.with_suffix(".safetensors"), card))
    return {key: sorted(shipped, key=_accuracy, reverse=True) for key, shipped in found.items()}


def _accuracy(weights: PretrainedWeights) -> float:
    return weights.card.get("test_accuracy") or 0.0


def weights_of(hash: str) -> list[PretrainedWeights]:
    """The pretrained weights of a spec, best first."""
    return weights(FOLDER).get(hash, [])
