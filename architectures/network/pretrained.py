"""The weights that ship with fieldspec: each a safetensors file beside its card (JSON) and its log (CSV). No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "weights"


@dataclass(frozen=True)
class PretrainedWeights:
    """A file of weights and what is known of it."""

    name: str  # of the network and, as timm's tag, of the recipe: c1c2c3c40.fast25
    path: Path
    card: dict[str, Any]

    @property
    def tag(self) -> str:
        """timm's: what tells several weights of one network apart."""
        return self.name.partition(".")[2]


@lru_cache(maxsize=4)
def weights(folder: Path = FOLDER) -> dict[str, list[PretrainedWeights]]:
    """All that ship, by the hash of the spec that they are of, the best on its test images first.

    They outlive an edited constraint or description.
    """
    found: dict[str, list[PretrainedWeights]] = {}
    for path in sorted(folder.glob("*.json")):
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault(card["hash"], []).append(PretrainedWeights(path.stem, path.with_suffix(".safetensors"), card))
    return {key: sorted(shipped, key=_accuracy, reverse=True) for key, shipped in found.items()}


def _accuracy(weights: PretrainedWeights) -> float:
    return weights.card.get("test_accuracy") or 0.0


def weights_of(hash: str) -> list[PretrainedWeights]:
    """Those of a spec, the best first."""
    return weights(FOLDER).get(hash, [])
