"""The weights that ship with fieldspec: each a safetensors file beside its card (JSON) and its log (CSV). No torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Weights:
    """A file of weights and what is known of it."""

    name: str
    path: Path
    card: dict[str, Any]


@lru_cache(maxsize=4)
def weights(folder: Path = FOLDER) -> dict[str, Weights]:
    """All that ship, by the hash of the spec that they are of: they outlive an edited constraint or description."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found[card["hash"]] = Weights(path.stem, path.with_suffix(".safetensors"), card)
    return found


def weights_of(hash: str) -> Weights | None:
    """Those of a spec, None where none ship."""
    return weights(FOLDER).get(hash)
