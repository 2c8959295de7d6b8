"""Networks side by side: what is the same, what changed, and what fails a pull request."""

from __future__ import annotations

import re
from typing import Any

import pytest
from torch import Tensor, nn

from fieldspec.architectures.readings.named_modules import named_module
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.pages.comparison.aligned import aligned
from fieldspec.pages.comparison.beside import beside, marks_of
from fieldspec.pages.comparison.limits import failures, parse_limit
from fieldspec.pages.comparison.markdown import markdown_of
from fieldspec.pages.comparison.totals import totals_of
from fieldspec.pages.drawing.boxes import BoxMark
from fieldspec.pages.drawing.diagram import diagram_of
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.page.page import page_of


def conv(**settings: Any) -> dict[str, Any]:
    """An item of a spec."""
    return {"conv": {"out": 8, **settings}}


def report_of(*layers: dict[str, Any]) -> Any:
    """The report of a chain."""
    return analyze({"name": "net", "input": [3, 16, 16], "layers": list(layers)})


def fates(before: Any, after: Any) -> list[str]:
    """Of every row."""
    return [pair.fate for pair in aligned(before, after)]


def test_what_is_put_in_between_is_one_addition() -> None:
    """And what is taken out one removal; a setting that changes is a change of its layer."""
    two, three = report_of(conv(), conv(kernel=5)), report_of(conv(), conv(kernel=1), conv(kernel=5))
    assert fates(two, three) == ["same", "added", "same"]
    assert fates(three, two) == ["same", "removed", "same"]
    assert fates(two, report_of(conv(), conv(kernel=5, stride=2))) == ["same", "changed"]


def test_the_same_network_from_two_libraries() -> None:
    """timm's resnet18 and torchvision's have other names for their layers, and are equal."""
    reports = []
    for name in ("torchvision:resnet18", "timm:resnet18"):
        net, size = named_module(name, weights=False)
        reports.append(analyze(net, input_size=size))
    assert set(fates(*reports)) == {"same"}
    totals = totals_of([Exhibit(one, one.name) for one in reports])
    assert all(not any(total.changes) for total in totals)


def test_totals() -> None:
    """Each with its change from the first."""
    exhibits = [Exhibit(analyze(name), name) for name in ("c1c2c3c40", "c1c2c3c40_plus")]
    found = {total.name: (total.values, total.changes[1]) for total in totals_of(exhibits)}
    assert found["parameters"] == (["178,178", "196,538"], "+10.3 %")
    assert found["receptive field"] == (["47", "51"], "+8.5 %")
    assert "best accuracy" not in found


@pytest.mark.parametrize(
    ("limit", "breaks"),
    [
        ("params > +5%", True),
        ("params > +11%", False),
        ("params > 200k", False),
        ("params > 190k", True),
        ("macs > +100M", False),
        ("receptive_field < -0", False),
        ("receptive_field > +3", True),
        ("memory > -1%", False),
        ("flash > 256Ki", True),
    ],
)
def test_limits(limit: str, breaks: bool) -> None:
    """From c1c2c3c40 to c1c2c3c40_plus: with a sign of the change, without one of the number itself."""
    reports = [analyze(name) for name in ("c1c2c3c40", "c1c2c3c40_plus")]
    assert bool(failures([parse_limit(limit)], reports)) is breaks


def test_an_unproven_number_keeps_no_limit() -> None:
    """As it satisfies no constraint."""
    report = analyze({"name": "net", "input": [3, 4, 16, 16], "layers": [{"conv": {"out": 4}}]})  # over three axes
    (said,) = failures([parse_limit("flash > 1M")], [report])
    assert said.startswith("flash > 1M: net has no proven number (LiteRT-Micro cannot run this network: ")


class Stops(nn.Module):
    """Branches on a value between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 16, 16) -> (batch, 8, 16, 16)"""
        x = self.a(x)
        return self.b(x) if x.mean() > 0 else x


def test_totals_of_a_stopped_trace_are_lower_bounds() -> None:
    """The Markdown says "at least" and what was not reached, and no change from or to such a total."""
    report = analyze(Stops(), input_size=(3, 16, 16))
    text = markdown_of([Exhibit(report, "net")])
    assert "| multiply-adds | at least 55,296 |" in text
    assert f"| peak memory, bytes | at least {report.peak_bytes():,} |" in text
    assert "depends on tensor values: everything after it is unknown" in text
    assert "- net: 1 modules were not reached: b\n" in text
    changes = {one.name: one.changes[1] for one in totals_of([Exhibit(report_of(conv()), "a"), Exhibit(report, "b")])}
    assert (changes["multiply-adds"], changes["peak memory, bytes"]) == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("macs > 1G", "at least 55,296"),
        ("memory > 1G", "at least 11,264"),
        ("receptive_field > 99", "tracing ended before the end of the network"),
        ("feature_size < 1", "tracing ended before the end of the network"),
    ],
)
def test_totals_of_a_stopped_trace_satisfy_no_limit(limit: str, why: str) -> None:
    """Every total that may grow behind the stop fails, with the reason; as the first of two, likewise for a change."""
    report = analyze(Stops(), input_size=(3, 16, 16))
    assert failures([parse_limit(limit)], [report]) == [f"{limit}: Stops has no proven number ({why})"]
    change = limit.replace("> ", "> +").replace("< ", "< -")
    assert failures([parse_limit(change)], [report, report_of(conv())]) == [
        f"{change}: Stops has no proven number ({why})"
    ]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("params", "needs a comparison such as"),
        ("param > 5", "unknown measure 'param'. Did you mean 'params'?"),
        ("params > 5%", "a percentage limits a change; write params > "),
    ],
)
def test_limits_that_are_none(limit: str, said: str) -> None:
    """Each said in one line."""
    with pytest.raises(FieldspecError, match=said):
        parse_limit(limit)


def test_a_change_takes_two_networks() -> None:
    """A limit with a sign says so."""
    with pytest.raises(FieldspecError, match="needs two networks"):
        failures([parse_limit("params > +5%")], [report_of(conv())])


def test_markdown_for_a_pull_request() -> None:
    """Totals, the layers that differ, and what is broken, with no sign of Markdown or HTML taken from a name."""
    spec = load(
        {"name": "new", "input": [3, 16, 16], "layers": [conv(), conv(out=12)], "constraints": {"params": "< 9"}}
    )
    before = Exhibit(report_of(conv(), conv()), "a|b</details>@all")
    after = Exhibit(analyze(spec), spec.name, spec.constraints)
    text = markdown_of([before, after], ["params > +5%: too many"])
    assert text.startswith("### a\\|b&lt;/details&gt;&#64;all → new\n")
    assert "| parameters | 824 | 1,120 | +35.9 % |" in text
    assert "Layers: 1 same, 1 changed." in text
    assert "| changed | conv2.conv | conv 3x3 padding 1, 8x16x16 → 12x16x16 | 888 (+50.0 %) |" in text
    assert text.endswith("- params &gt; +5%: too many\n- new: params needs &lt; 9, has 1,120\n")


def test_the_page_of_two() -> None:
    """One tab for the comparison and one for each network; equal ones say so; accuracies make a picture."""
    exhibits = [
        Exhibit(analyze("c1c2c3c40"), name, accuracies={name: share}) for name, share in (("a", 0.9), ("b", 0.91))
    ]
    text = page_of(exhibits)
    assert text.count('<button role="tab"') == 3
    assert "The same layers, with the same outputs, fields and costs." in text
    assert 'aria-label="Accuracy of 2 networks against their multiply-adds"' in text


def marks(svg: str) -> list[tuple[str, str]]:
    """Of every box in order: its title and the word on it."""
    boxes = [part.partition("</g>")[0] for part in svg.split('<g class="box ')[1:]]
    found = [[re.search(f'class="{name}"[^>]*>([^<]*)', box) for name in ("title", "fate-word")] for box in boxes]
    return [(title[1] if title else "", word[1] if word else "") for title, word in found]


def test_two_drawings_are_marked() -> None:
    """Each box says what became of its layer; partners share a number; both are drawn in one scale."""
    before, after = report_of(conv(), conv(kernel=5)), report_of(conv(), conv(kernel=1), conv(kernel=5, stride=2))
    old, new = beside(("old", before), ("new", after), aligned(before, after))
    assert marks(old.svg) == [("input", ""), ("conv 3×3", ""), ("conv 5×5", "changed")]
    assert marks(new.svg) == [("input", ""), ("conv 3×3", ""), ("conv 1×1", "added"), ("conv 5×5 /2", "changed")]
    assert re.findall(r'data-pair="(\d+)"', old.svg) == ["0", "2"]
    assert re.findall(r'data-pair="(\d+)"', new.svg) == ["0", "2"]
    widths = {re.findall(r'<svg [^>]* width="([\d.]+)"', one.svg)[0] for one in (old, new)}
    assert len(widths) == 1
    (swapped, _) = beside(("new", after), ("old", before), aligned(after, before))
    assert marks(swapped.svg)[2] == ("conv 1×1", "removed")


def test_a_closed_block_says_what_its_layers_are() -> None:
    """Added where all of them are, changed where some are, nothing where none is."""
    small, large = analyze("resnet20"), analyze("resnet20", input_size=(3, 64, 64))
    diagram = diagram_of(small)
    ids = [layer.id for layer in small.layers]
    assert {mark.word for mark in marks_of(diagram, {}).values()} == {""}
    assert {mark.word for mark in marks_of(diagram, dict.fromkeys(ids, BoxMark("added"))).values()} == {"added"}
    leaf = next(diagram.blocks[1].leaves())
    some = marks_of(diagram, {ids[leaf.main]: BoxMark("removed")})
    assert [some[number].word for number in (0, 1, 2)] == ["changed", "changed", ""]
    text = page_of([Exhibit(small, "small"), Exhibit(large, "large")])
    assert text.count('aria-label="Drawing of ') == 2 + 2  # beside each other, and in the tab of each
