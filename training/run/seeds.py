"""One training with several seeds: mean and standard deviation of its accuracies.

python -m fieldspec.training.run.seeds runs/c1c2c3c40-fast25/seed-*     # the table of finished runs
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.documents import RunCard, checked
from fieldspec.training.folder.files import CARD, read_json, write_json

SEEDS = "seeds.json"
FIGURES = {
    "held_out_accuracy": "held-out accuracy",
    "test_accuracy": "test accuracy",
    "flip_averaged_test_accuracy": "flip-averaged test accuracy",
}


def parse_seeds(text: str) -> tuple[int, ...]:
    """Parse comma-separated seeds.

    Raises:
        FieldspecError: One of them is not a whole number, or occurs twice.

    Example:
        >>> parse_seeds("0,1,2")
        (0, 1, 2)
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise FieldspecError(f"--seeds: needs distinct whole numbers such as 0,1,2, gets {text!r}")
    return tuple(map(int, parts))


def seeds_card(cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Combine the cards of several seeds: each accuracy, their mean and standard deviation (n - 1).

    Raises:
        FieldspecError: The cards differ in network, recipe or data.
    """
    first = cards[0]
    for card in cards[1:]:
        for key in ("hash", "data"):
            if card.get(key) != first.get(key):
                differ = f"{str(first.get(key))[:12]!r} and {str(card.get(key))[:12]!r}"
                raise FieldspecError(f"seeds: the runs differ in {key}: {differ}")
        if {**card["recipe"], "seed": 0} != {**first["recipe"], "seed": 0}:
            raise FieldspecError("seeds: the runs differ in their recipes")
    together: dict[str, Any] = {"schema": 1, **{key: first.get(key) for key in ("name", "hash", "data", "epochs")}}
    together |= {"recipe": first["recipe"]["name"], "seeds": [card["recipe"]["seed"] for card in cards]}
    for figure in FIGURES:
        values = [float(card[figure]) for card in cards if isinstance(card.get(figure), float)]
        if len(values) == len(cards):
            spread = statistics.stdev(values) if len(values) > 1 else None
            together[figure] = {"each": values, "mean": statistics.mean(values), "standard_deviation": spread}
    return together


def seeds_table(together: dict[str, Any]) -> str:
    """Format one line per seed, and one each for mean and standard deviation."""
    known = {key: title for key, title in FIGURES.items() if key in together}
    lines = [f"{'seed':>6}  " + "  ".join(known.values())]
    for number, seed in enumerate(together["seeds"]):
        cells = (f"{100 * together[key]['each'][number]:>{len(title) - 2}.2f} %" for key, title in known.items())
        lines.append(f"{seed:>6}  " + "  ".join(cells))
    for name in ("mean", "standard_deviation"):
        values = {key: together[key][name] for key in known}
        cells = (
            f"{100 * values[key]:>{len(title) - 2}.2f} %" if values[key] is not None else " " * len(title)
            for key, title in known.items()
        )
        lines.append(f"{name[:4].replace('stan', 'std'):>6}  " + "  ".join(cells))
    return "\n".join(lines)


def train_seeds(folder: Path, seeds: Sequence[int], once: Callable[[int, Path], dict[str, Any]]) -> dict[str, Any]:
    """Train with each seed in its own subfolder, seed-N, and write seeds.json.

    Args:
        folder: The folder that contains the subfolders.
        seeds: The seeds, trained one after another.
        once: Trains with a seed in a folder, and returns the card.
    """
    together = seeds_card([once(seed, folder / f"seed-{seed}") for seed in seeds])
    write_json(folder / SEEDS, together)
    return together


def main(folders: Sequence[str]) -> None:
    """Print the table of finished runs."""
    paths = [Path(folder) / CARD for folder in folders]
    print(seeds_table(seeds_card([checked(RunCard, read_json(path), path) for path in paths])))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit((__doc__ or "").strip())
    try:
        main(sys.argv[1:])
    except FieldspecError as error:
        sys.exit(f"error: {error}")
