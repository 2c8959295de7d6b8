"""The page as text: one file, escaped, small, with every number of the report."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import nn

from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.facts.runs import read_run
from fieldspec.pages.page.page import page_of

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&<!--"


def page(source: Any, **options: Any) -> str:
    """The page of one spec."""
    spec = load(source)
    return page_of([Exhibit(analyze(spec), spec.name, spec.constraints, **options)])


def data_of(text: str) -> Any:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


def test_the_page_is_one_small_file() -> None:
    """Under 1 MB, and without an address that could be asked for anything."""
    text = page("c1c2c3c40")
    assert len(text.encode()) < 1_000_000
    addresses = set(re.findall(r'(?:src|href)="([^"#]{1,20})', text))
    assert {address.split(";")[0] for address in addresses} == {"data:image/png"}
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttp|https?://(?!www\.w3\.org/2000/svg)", text)


def test_the_numbers_are_the_reports() -> None:
    """Layer by layer: shapes, windows, costs."""
    report = analyze("c1c2c3c40")
    facts = data_of(page("c1c2c3c40"))[0]
    assert (facts["params"], facts["macs"]) == (report.params, report.macs)
    assert sum(layer["params"] for layer in facts["layers"]) == report.params
    assert sum(layer["macs"] for layer in facts["layers"]) == report.macs
    for layer in facts["layers"]:
        axes = facts["fields"][layer["field"]]["axes"]
        own = report[layer["id"]]
        assert [axis[2][0][:2] for axis in axes] == [
            [s, n] for s, n in zip(own.start, own.receptive_field, strict=True)
        ]
        assert [axis[1] / axis[0] for axis in axes] == [float(jump) for jump in own.jump]


def test_text_is_never_markup(tmp_path: Path) -> None:
    """Neither a name, nor a class, nor a path in an image's name, nor what a log or a card says."""
    report = analyze({"input": [3, 16, 16], "layers": [{"conv": {"out": 4}}], "head": {"classes": 2}})
    (tmp_path / "run.json").write_text(json.dumps(_run_document()), encoding="utf-8")
    evaluation = {
        "classes": [HOSTILE, "b"], "confusion": [[3, 1], [0, 4]], "accuracy": 0.875, "images": 8, "split": HOSTILE,
        "per_class_accuracy": {HOSTILE: 0.75, "b": 1.0}, "calibration_bins": [{"images": HOSTILE}],
    }  # fmt: skip
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation), encoding="utf-8")
    wrong = [{"number": 1, "file": f"../{HOSTILE}.svg", "actual": HOSTILE, "predicted": "b", "confidence": 0.9}]
    odd = [f"<svg onload={HOSTILE}>", 7, "", None]
    (tmp_path / "mistakes.json").write_text(json.dumps({"mistakes": wrong, "pictures": odd}), encoding="utf-8")
    (tmp_path / "misclassified.png").write_text(f"<svg onload={HOSTILE}>", encoding="utf-8")
    run = read_run(tmp_path)
    named = replace(report, name=HOSTILE)
    text = page_of([Exhibit(named, HOSTILE, accuracies={HOSTILE: 0.5}, run=run)] * 2)
    assert "alert(1)</script>" not in text
    assert "<img src=x" not in text
    assert text.count("<script") == text.count("</script") == 2
    assert data_of(text)[0]["name"] == HOSTILE
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in text
    assert run.pictures == {}


def _run_document() -> dict[str, Any]:
    return {
        "schema": 1, "name": "net", "hash": "0", "spec": {}, "recipe": {"name": HOSTILE, "epochs": 1, "seed": 0},
        "data": HOSTILE, "images": 8, "digest": "0", "classes": [HOSTILE, "b"], "mean": [0.5], "std": [0.5],
        "full": False, "augment": "host", "processes": 1, "precision": "float32", "command": HOSTILE,
        "hardware": HOSTILE, "versions": {}, "date": "2026-01-01",
    }  # fmt: skip


def test_somebodys_picture(tmp_path: Path) -> None:
    """Cut to the input's proportions; what is no image is said in one line."""
    Image.new("RGB", (80, 40), "red").save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_text("no image", encoding="utf-8")
    exhibit = Exhibit(analyze("c1c2c3c40"), "net")
    assert "data:image/png;base64," in page_of([exhibit], image=tmp_path / "wide.png")
    with pytest.raises(FieldspecError, match=r"text\.png: is not an image that Pillow can read"):
        page_of([exhibit], image=tmp_path / "text.png")
    with pytest.raises(FieldspecError, match=r"none\.png: No such file"):
        page_of([exhibit], image=tmp_path / "none.png")


@pytest.mark.parametrize(
    ("net", "size"),
    [
        (nn.Conv1d(2, 4, 5), (2, 64)),
        (nn.Conv3d(1, 4, 3), (1, 6, 12, 12)),
        (nn.Linear(12, 4), (12,)),
        (nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 3)), (1, 8, 8)),
        (nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Upsample(scale_factor=2)), (3, 16, 16)),
    ],
    ids=["one axis", "three axes", "a vector", "one channel", "phases"],
)
def test_inputs_of_any_number_of_axes(net: nn.Module, size: tuple[int, ...]) -> None:
    """Only images have a picture; all else is the same."""
    text = page_of([Exhibit(analyze(net, input_size=size), "net")])
    assert ('<svg class="window"' in text) == (len(size) == 3)
    assert "What it costs" in text
