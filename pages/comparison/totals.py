"""Totals of several networks side by side, with changes from the first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from fieldspec.analysis.report.text.summary import macs_text, peak_text
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.facts.timeline import engine_of

MINUS = "−"
LEAST = "at least "


@dataclass(frozen=True, slots=True)
class Total:
    """One measure of all networks."""

    name: str
    values: list[str]
    changes: list[str]  # from the first; empty if equal or a text, unknown if one is only a lower bound
    grows: list[bool | None]  # whether it exceeds the first's; None if equal or not a number


def totals_of(exhibits: Sequence[Exhibit]) -> list[Total]:
    """Parameters, multiply-adds, memory, field, flash and RAM, accuracy; those that no network has are left out."""
    measures: list[tuple[str, Callable[[Exhibit], Any]]] = [
        ("parameters", lambda one: one.report.params),
        ("multiply-adds", lambda one: _or_least(one.report.macs, macs_text(one.report))),
        ("bytes of weights", lambda one: one.report.weight_bytes()),
        ("peak memory, bytes", lambda one: _or_least(one.report.peak_bytes(), peak_text(one.report))),
        ("receptive field", _field),
        ("jump", lambda one: side_text(one.report.features.jump) if one.report.features.field.axes else None),
        ("features", lambda one: size_text(one.report.features.shape)),
        ("flash, int8", lambda one: _engine(one, "flash")),
        ("arena, int8", lambda one: _engine(one, "head")),
        ("best accuracy", lambda one: max(one.accuracies.values(), default=None)),
    ]
    found = [_total(name, [measure(one) for one in exhibits]) for name, measure in measures]
    return [total for total in found if any(value != "" for value in total.values)]


def _or_least(number: int, text: str) -> int | str:
    """The number, or the text that says that it is a lower bound."""
    return text if text.startswith(LEAST) else number


def _field(exhibit: Exhibit) -> int | str | None:
    """The field's size: a number if all axes are equal, so that its change can be computed, else a text."""
    size = exhibit.report.features.receptive_field
    return (size[0] if len(set(size)) == 1 else side_text(size)) if size else None


def _engine(exhibit: Exhibit, what: str) -> int | None:
    """A number from the LiteRT-Micro report; None if it cannot run the network."""
    engine = engine_of(exhibit.report)
    if isinstance(engine, str):
        return None
    number: int = getattr(engine, what)
    return number


def _total(name: str, values: Sequence[Any]) -> Total:
    first = values[0]
    numbers = [isinstance(one, int | float) and isinstance(first, int | float) for one in values]
    changes = [
        change(first, one) if is_number else "unknown" if _is_least(first, one) else ""
        for one, is_number in zip(values, numbers, strict=True)
    ]
    grows = [
        one > first if is_number and one != first else None for one, is_number in zip(values, numbers, strict=True)
    ]
    return Total(name, [_said(one) for one in values], changes, grows)


def _is_least(*values: Any) -> bool:
    return any(isinstance(one, str) and one.startswith(LEAST) for one in values)


def _said(value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.2f} %"
    return f"{value:,}" if isinstance(value, int) else value or ""


def change(before: float | Fraction, after: float | Fraction) -> str:
    """Format a difference: percent for counts, points for shares (floats); empty if there is none.

    Example:
        >>> change(200, 210), change(0.913, 0.925), change(47, 47), change(0, 3)
        ('+5.0 %', '+1.20 points', '', '+3')
    """
    if before == after:
        return ""
    sign, apart = "+" if after > before else MINUS, abs(float(after) - float(before))
    if isinstance(before, float):
        return f"{sign}{100 * apart:.2f} points"
    if not before:
        return f"{sign}{apart:,.12g}"
    return f"{sign}{100 * apart / abs(float(before)):.1f} %"
