"""The HTML page of one or more networks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fieldspec.analysis.ledger.ledger import Ledger, ledger_of
from fieldspec.analysis.ledger.tables import COLUMNS, LEGEND, cells, notes
from fieldspec.analysis.report.text.summary import notes as remarks
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import shortened, side_text, size_text
from fieldspec.pages.drawing.diagram import Diagram, diagram_of
from fieldspec.pages.drawing.svg import live_drawing
from fieldspec.pages.facts.exhibit import Exhibit, verdicts_of
from fieldspec.pages.facts.network import network_facts
from fieldspec.pages.facts.pictures import picture_of
from fieldspec.pages.facts.timeline import Timeline, eager_timeline, engine_of, engine_timeline
from fieldspec.pages.page import charts
from fieldspec.pages.page.comparing import comparison_parts
from fieldspec.pages.page.table import lines_of, most_of
from fieldspec.pages.page.training import training_parts

TEMPLATES = Path(__file__).parent / "templates"
LEDGER = 300_000  # layers times pixels of the longest axis, above which the ledger would take too long


def page_of(exhibits: Sequence[Exhibit], *, image: Path | None = None) -> str:
    """Render the page as self-contained HTML: script, styles, pictures and data in one file.

    Args:
        exhibits: The networks, in the order to show them.
        image: A picture for the windows; by default, a sample is drawn.

    Raises:
        FieldspecError: jinja2 is missing, or the image cannot be read.
    """
    sections = [_section(exhibit, image) for exhibit in exhibits]
    facts = [section.pop("facts") for section in sections]
    names = " and ".join(exhibit.report.name for exhibit in exhibits)
    text: str = (
        _environment()
        .get_template("page.html")
        .render(
            title=names,
            sections=sections,
            comparison=comparison_parts(exhibits),
            data=_embedded(facts),
            style=(TEMPLATES / "page.css").read_text(encoding="utf-8"),
            script=(TEMPLATES / "page.js").read_text(encoding="utf-8"),
        )
    )
    return text


@lru_cache(maxsize=1)
def _environment() -> Any:
    """The jinja2 environment: everything is escaped, unless marked as safe."""
    if find_spec("jinja2") is None:
        raise FieldspecError("pages need jinja2: pip install 'fieldspec[report]'")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["size"] = size_text
    environment.filters["words"] = charts.size_words
    environment.filters["breakable"] = lambda path: Markup(".<wbr>").join(path.split("."))  # escapes what it joins
    return environment


def _embedded(data: Any) -> str:
    """JSON for a script element, escaped so that it cannot end the element or start a comment."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _section(exhibit: Exhibit, image: Path | None) -> dict[str, Any]:
    """The template's data of one network."""
    report = exhibit.report
    diagram = diagram_of(report)
    opened = diagram.opened()
    drawing = live_drawing(diagram, opened)
    facts = network_facts(diagram, exhibit.constraints) | {"closed": drawing.closed, "most": most_of(diagram)}
    has_picture = len(report.input) == 3
    return {
        "exhibit": exhibit,
        "report": report,
        "tiles": _tiles(exhibit),
        "verdicts": verdicts_of(exhibit),
        "remarks": remarks(report),
        "drawing": drawing,
        "size": (drawing.geometry.width, drawing.geometry.height),
        "picture": picture_of(report.input, image) if has_picture else "",
        "lines": lines_of(diagram, opened),
        "growth": _growth(diagram),
        "memory": _memory_parts(exhibit),
        "ledger": _ledger(report_ledger(exhibit)),
        "training": training_parts(exhibit.run) if exhibit.run else None,
        "facts": facts,
    }


def _tiles(exhibit: Exhibit) -> list[tuple[str, str, str]]:
    """The totals, as name, number and remark."""
    report = exhibit.report
    features, least = report.features, "at least " if report.macs_status == "at_least" else ""
    field = side_text(features.receptive_field) if features.field.axes else "unknown"
    tiles = [
        ("Parameters", f"{report.params:,}", f"{report.weight_bytes():,} bytes of weights"),
        ("Multiply-adds", f"{least}{report.macs:,}", "for one example"),
        ("Receptive field", field, f"at jump {side_text(features.jump)}, {features.status.replace('_', ' ')}")
        if features.field.axes
        else ("Receptive field", "unknown", features.id),
        (
            "Peak memory, float32",
            f"{charts.size_words(report.peak_bytes())}B",
            f"at {shortened(report.peak_layer, 22)}",
        ),
        ("Features", size_text(features.shape), shortened(features.id, 24)),
    ]
    known = [("Accuracy", f"{100 * value:.2f} %", name) for name, value in list(exhibit.accuracies.items())[:1]]
    return tiles + known


def _growth(diagram: Diagram) -> str | None:
    layers = diagram.report.layers
    if not any(layer.field.axes for layer in layers):
        return None
    sizes = [max(layers[leaf.main].receptive_field, default=0) for leaf in diagram.leaves]
    macs = [sum(layers[index].macs for index in leaf.layers) for leaf in diagram.leaves]
    names = [layers[leaf.main].id for leaf in diagram.leaves]
    return charts.on_any_screen(charts.growth, sizes, macs, max(diagram.report.input[1:], default=1), names)


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """The memory of one way to run the network: its chart and timeline."""

    title: str
    chart: str
    timeline: Timeline
    remark: str


def _memory_parts(exhibit: Exhibit) -> list[MemoryPart]:
    """The memory in PyTorch, and in LiteRT-Micro if it can run the network."""
    eager = eager_timeline(exhibit.report)
    parts = [
        MemoryPart(
            "PyTorch, float32",
            charts.on_any_screen(charts.memory, eager),
            eager,
            "eval mode, nothing in place or fused",
        )
    ]
    engine = engine_of(exhibit.report)
    if isinstance(engine, str):
        return parts
    timeline = engine_timeline(engine)
    remark = f"{engine.flash:,} bytes of flash; the arena's head takes {engine.head:,} bytes by the engine's planner"
    return [*parts, MemoryPart("LiteRT-Micro, int8", charts.on_any_screen(charts.memory, timeline), timeline, remark)]


def report_ledger(exhibit: Exhibit) -> Ledger | None:
    """The ledger of the field; None for networks without a field, and for very deep ones or very large inputs."""
    report = exhibit.report
    is_readable = report.features.field.axes and len(report.layers) * max(report.input[1:], default=1) <= LEDGER
    return ledger_of(report) if is_readable else None


def _ledger(ledger: Ledger | None) -> dict[str, Any] | None:
    if ledger is None:
        return None
    rows = [cells(entry) for entry in ledger.entries]
    return {"titles": COLUMNS, "rows": rows, "notes": notes(ledger), "legend": " ".join(LEGEND)}
