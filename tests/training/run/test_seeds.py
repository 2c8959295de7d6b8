"""Several seeds: what their cards say together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_data import PLAIN

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import CARD, read_json, write_json
from fieldspec.training.recipe.recipe import load_recipe
from fieldspec.training.run.seeds import main, parse_seeds, seeds_card, seeds_table, train_seeds


def card(seed: int, accuracy: float, **changes: Any) -> dict[str, Any]:
    """Of a run with a seed."""
    recipe = load_recipe({**PLAIN, "seed": seed}).to_dict()
    figures = {"held_out_accuracy": None, "test_accuracy": accuracy, "flip_averaged_test_accuracy": accuracy + 0.01}
    return {"name": "tiny", "hash": "0" * 64, "data": "fake", "epochs": 2, "recipe": recipe, **figures, **changes}


def test_by_hand() -> None:
    """Mean and standard deviation of three, with n - 1: 0.5, 0.6, 0.7 have 0.6 and 0.1."""
    together = seeds_card([card(seed, value) for seed, value in enumerate((0.5, 0.6, 0.7))])
    assert together["seeds"] == [0, 1, 2]
    assert together["test_accuracy"]["mean"] == pytest.approx(0.6)
    assert together["test_accuracy"]["standard_deviation"] == pytest.approx(0.1)
    assert "held_out_accuracy" not in together
    assert seeds_table(together).splitlines() == [
        "  seed  test accuracy  flip-averaged test accuracy",
        "     0        50.00 %                      51.00 %",
        "     1        60.00 %                      61.00 %",
        "     2        70.00 %                      71.00 %",
        "  mean        60.00 %                      61.00 %",
        "   std        10.00 %                      10.00 %",
    ]


def test_one_seed_has_no_deviation() -> None:
    """Nothing to compare it with."""
    together = seeds_card([card(0, 0.5)])
    assert together["test_accuracy"]["standard_deviation"] is None
    assert seeds_table(together).splitlines()[-1].strip() == "std"


OTHER_RECIPE = load_recipe("seed").to_dict()


@pytest.mark.parametrize("changes", [{"hash": "1" * 64}, {"data": "cifar10"}, {"recipe": OTHER_RECIPE}])
def test_what_is_not_compared(changes: dict[str, Any]) -> None:
    """Other networks, data and recipes."""
    with pytest.raises(FieldspecError, match="seeds: the runs differ in "):
        seeds_card([card(0, 0.5), card(1, 0.5, **changes)])


@pytest.mark.parametrize("text", ["", "0,", "a", "0,0", "-1", "1.5", "0 1", "\u0661"])
def test_what_is_no_seed(text: str) -> None:
    """Different whole numbers."""
    with pytest.raises(FieldspecError, match="--seeds: needs distinct whole numbers such as 0,1,2"):
        parse_seeds(text)


def test_a_folder_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """seed-N for each, seeds.json beside them; the table is made of finished runs as well."""
    places: list[str] = []

    def once(seed: int, folder: Path) -> dict[str, Any]:
        folder.mkdir(parents=True)
        write_json(folder / CARD, card(seed, 0.5 + seed / 10))
        places.append(folder.name)
        return card(seed, 0.5 + seed / 10)

    together = train_seeds(tmp_path, (3, 1), once)
    assert places == ["seed-3", "seed-1"]
    assert read_json(tmp_path / "seeds.json") == together
    main([str(tmp_path / place) for place in places])
    assert capsys.readouterr().out.strip() == seeds_table(together).strip()
