"""Takes a finished run's weights, card and log into the package.

python -m fieldspec.training.shipping runs/c1c2c3c40-fast25
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from fieldspec.architectures import pretrained
from fieldspec.architectures.checkpoint import load_checkpoint
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.files import CARD, LAST, LOG, read_json


def ship(run: Path, folder: Path = pretrained.FOLDER) -> list[Path]:
    """Copy NAME.RECIPE.safetensors, .csv and .json, the last of which makes the others count.

    Raises:
        FieldspecError: The run is not finished or not tested, or its weights are not those of its card.
    """
    if not (run / CARD).is_file():
        raise FieldspecError(f"{run}: has no {CARD}; only a finished run is shipped")
    card = read_json(run / CARD)
    spec, _ = load_checkpoint(run / LAST)
    if spec.hash != card["hash"]:
        raise FieldspecError(f"{run}: the weights are of spec {spec.hash[:12]}, the card of {card['hash'][:12]}")
    if card["test_accuracy"] is None:
        raise FieldspecError(f"{run}: was judged on no test images; a card that says nothing is not shipped")
    written = []
    for source, ending in ((LAST, "safetensors"), (LOG, "csv"), (CARD, "json")):
        written.append(folder / f"{card['name']}.{card['recipe']['name']}.{ending}")
        shutil.copyfile(run / source, written[-1])
    pretrained.weights.cache_clear()
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit((__doc__ or "").strip())
    try:
        print(*ship(Path(sys.argv[1])), sep="\n")
    except FieldspecError as error:
        sys.exit(f"error: {error}")
