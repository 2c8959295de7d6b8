"""Networks that end with maps of several sizes: each level is told with its field."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

import fieldspec as fs

IMAGE = (3, 32, 32)


class Pyramid(nn.Module):
    """Three levels, from 3x3 convolutions of stride 2, and a head of two branches on each."""

    def __init__(self, end: str) -> None:
        super().__init__()
        self.end = end
        self.stages = nn.ModuleList(nn.Conv2d(3 if n == 0 else 4, 4, 3, 2, 1) for n in range(3))
        self.boxes = nn.ModuleList(nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.classes = nn.ModuleList(nn.Conv2d(4, 2, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Any:
        """(batch, 3, height, width) -> what the end says: maps, or the predictions of all levels in one list."""
        levels = []
        for stage, boxes, classes in zip(self.stages, self.boxes, self.classes, strict=True):
            x = stage(x)
            levels.append(torch.cat([boxes(x), classes(x)], 1))
        if self.end == "maps":
            return levels
        if self.end == "sorted":
            levels[1] = F.fractional_max_pool2d(F.pad(levels[1], (1, 1, 1, 1)), 3, output_size=levels[1].shape[2:])
        joined = torch.cat([level.flatten(2) for level in levels], 2)
        return joined if self.end == "joined" else joined.gather(2, joined.argmax(2, keepdim=True))


FIELDS = [(7, 7), (15, 15), (31, 31)]  # 3, 7, 15 of the stages, and two units more of jump 2, 4, 8


def test_levels_of_a_detector() -> None:
    """3 + 2 * 2, 7 + 2 * 4, 15 + 2 * 8: whether they are joined, chosen from, or returned as they are."""
    for end in ("maps", "joined", "chosen"):
        report = fs.analyze(Pyramid(end), input_size=IMAGE)
        assert [level.receptive_field for level in report.levels] == FIELDS
        assert [level.jump for level in report.levels] == [(2, 2), (4, 4), (8, 8)]
        assert {level.status for level in report.levels} == {"exact"}
        assert [level["receptive_field"] for level in report.to_dict()["levels"]] == [list(size) for size in FIELDS]


def test_levels_in_place_of_an_unknown_headline() -> None:
    """A line each, in text and Markdown."""
    text = fs.analyze(Pyramid("joined"), input_size=IMAGE).to_text()
    assert "receptive field 15 at jump 4, 8 units, at cat:2 (exact)" in text
    assert "receptive field unknown" not in text


def test_levels_are_proved() -> None:
    """By the modules that make them."""
    checks = fs.verify(Pyramid("joined"), input_size=IMAGE).checks
    measured = {check.layer: check for check in checks if check.what == "receptive_field"}
    assert {f"boxes.{n}" for n in range(3)} <= set(measured)
    assert all(measured[f"boxes.{n}"].verdict == "proved" for n in range(3))


def test_no_levels() -> None:
    """One map, a vector, or a map that is lost before the levels are joined."""
    assert fs.analyze(nn.Conv2d(3, 4, 3), input_size=IMAGE).levels == ()
    assert fs.analyze(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)), input_size=IMAGE).levels == ()
    assert fs.analyze(Pyramid("sorted"), input_size=IMAGE).levels == ()
