"""HTML snippets for notebooks, without scripts, which notebooks may strip, and in the notebook's colors."""

from __future__ import annotations

import base64
from functools import lru_cache
from pathlib import Path
from typing import Any

from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.summary import notes, summary
from fieldspec.analysis.report.text.tables import COLUMNS, cells, rows
from fieldspec.architectures.document.values import flow
from fieldspec.architectures.readings.comparison import Diff
from fieldspec.architectures.readings.reports import report_of_spec
from fieldspec.architectures.spec.constraints import evaluate_constraints
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.architectures.spec.writer import dump
from fieldspec.pages.drawing.svg import svg_of

TEMPLATES = Path(__file__).parent / "templates"
MOST = 400  # maximum number of rows


def report_html(report: Report) -> str:
    """Show a report: totals, and collapsed, the drawing and the table of layers."""
    return _filled("report.html", report=report, **_parts(report))


def spec_html(spec: ArchitectureSpec) -> str:
    """Show a spec as its author wrote it, with its constraints and report."""
    report = report_of_spec(spec)
    verdicts = evaluate_constraints(spec.constraints, report)
    text = dump(spec, format="yaml")
    return _filled("spec.html", report=report, text=text, verdicts=verdicts, **_parts(report))


def network_html(net: Any) -> str:
    """Show a network built from a spec: its report, and torch's repr."""
    report = report_of_spec(net.spec)
    return _filled("network.html", report=report, text=str(net), **_parts(report))


def diff_html(difference: Diff) -> str:
    """Show the differences between two specs."""
    changes = [
        {"path": one.path, "before": _said(one.before), "after": _said(one.after), "sign": str(one)[0]}
        for one in difference.summary
    ]
    return _filled("diff.html", names=difference.names, changes=changes)


def _said(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else flow(value)


def _parts(report: Report) -> dict[str, Any]:
    found = rows(report)
    drawing = base64.b64encode(svg_of(report).encode()).decode()  # as an image, to isolate its style
    return {
        "summary": summary(report),
        "notes": notes(report),
        "columns": COLUMNS,
        "rows": [cells(row) for row in found[:MOST]],
        "more": max(0, len(found) - MOST),
        "drawing": f"data:image/svg+xml;base64,{drawing}",
    }


@lru_cache(maxsize=1)
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(TEMPLATES)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def _filled(name: str, **values: Any) -> str:
    text: str = _environment().get_template(name).render(**values)
    return text
