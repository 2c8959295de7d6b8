"""SVG charts: field and cost by depth, memory over time, training curves, accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Any

from fieldspec.blocks.formatting import shortened
from fieldspec.pages.facts.timeline import Timeline

WIDE, NARROW, HIGH = 760, 340, 250  # for desktops and phones
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 22, 30
TICKS = 5
BARS = 0.7  # share of the height for the highest bar, so that the line stays visible
SINGLE = 400  # maximum number of bars with tooltips; more are one shape


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps numbers to pixels along one axis."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The pixel of a number."""
        return self.start + (value - self.low) / ((self.high - self.low) or 1) * (self.stop - self.start)


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Round tick values over a range.

    Example:
        >>> ticks(0, 47), ticks(0.5, 0.95)
        ([0, 10, 20, 30, 40], [0.5, 0.6, 0.7, 0.8, 0.9])
    """
    rough = (high - low or 1) / count
    power: float = 10 ** floor(log10(rough))
    step = min((one * power for one in (1, 2, 5, 10) if one * power >= rough), default=power)
    first = ceil(low / step - 1e-9)
    found = [round(number * step, 10) for number in range(first, floor(high / step + 1e-9) + 1)]
    return [int(one) if one == int(one) else one for one in found]


def size_words(count: float) -> str:
    """Format a number of bytes or operations with three digits.

    Example:
        >>> size_words(1_441_792), size_words(730), size_words(0)
        ('1.44 M', '730', '0')
    """
    for unit, name in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(count) >= unit:
            return f"{count / unit:.3g}{name}"
    return f"{count:.3g}"


def percent_words(share: float) -> str:
    """Format a share as percent.

    Example:
        >>> percent_words(0.905)
        '90.5 %'
    """
    return f"{100 * share:g} %"


def on_any_screen(draw: Callable[..., str], *of: Any) -> str:
    """Draw a chart twice, for desktops and phones; the page shows one of them."""
    return draw(*of, wide=WIDE) + draw(*of, wide=NARROW)


def growth(sizes: Sequence[int], macs: Sequence[int], image: int, names: Sequence[str], *, wide: int = WIDE) -> str:
    """Chart the field of every box as steps, over bars of multiply-adds, with the image size as a line."""
    x, y = Scale(0, len(sizes), LEFT, wide - RIGHT), Scale(0, max([*sizes, image]), HIGH - BOTTOM, TOP)
    most = max(macs, default=0) or 1
    heights = [BARS * one / most * (HIGH - TOP - BOTTOM) for one in macs]
    width = max(0.4, x(1) - x(0) - 1)
    if len(macs) > SINGLE or wide < WIDE:
        outline = "".join(
            f"M{x(n):.1f} {HIGH - BOTTOM}v{-one:.1f}h{width:.1f}v{one:.1f}" for n, one in enumerate(heights)
        )
        bars = f'<path class="cost" d="{outline}"/>'
    else:
        bars = "".join(
            f'<rect class="cost" x="{x(n):.1f}" y="{HIGH - BOTTOM - one:.1f}" width="{width:.1f}" height="{one:.1f}">'
            f"<title>{escape(names[n])}: field {sizes[n]:,}, {macs[n]:,} multiply-adds</title></rect>"
            for n, one in enumerate(heights)
        )
    line = f'<path class="curve" d="{_steps(sizes, x, y)}"/>'
    across = (
        f'<line class="limit" x1="{LEFT}" x2="{wide - RIGHT}" y1="{y(image):.1f}" y2="{y(image):.1f}"/>'
        f'<text class="note" x="{LEFT + 4}" y="{y(image) - 5:.1f}">image, {image:,} pixels</text>'
    )
    label = f"Receptive field and multiply-adds of {len(sizes)} layers; the largest field is {max(sizes):,} pixels"
    return _chart(
        label, x, y, bars + line + across, cursor=len(sizes), below="layers, in the order they run", wide=wide
    )


def memory(timeline: Timeline, *, wide: int = WIDE) -> str:
    """Chart the live bytes at every step as an area, with the peak labeled."""
    live, peak = timeline.live, timeline.peak
    x, y = Scale(0, len(live), LEFT, wide - RIGHT), Scale(0, max(live) * 1.08, HIGH - BOTTOM, TOP)
    steps = _steps(live, x, y)
    area = f'<path class="area" d="{steps}V{HIGH - BOTTOM}H{LEFT}Z"/><path class="curve" d="{steps}"/>'
    at, top = x(peak + 0.5), y(live[peak])
    mark = f'<circle class="peak" cx="{at:.1f}" cy="{top:.1f}" r="4"/>' + _peak_label(timeline, at, top, wide)
    label = f"Live memory over {len(live)} steps; the peak is {live[peak]:,} bytes at {timeline.names[peak]}"
    return _chart(label, x, y, area + mark, cursor=None, below="steps, in the order they run", wide=wide)


def _peak_label(timeline: Timeline, at: float, top: float, wide: int) -> str:
    """Label the peak beside it or, if that may not fit, with a short text above the chart."""
    size, name = timeline.live[timeline.peak], timeline.names[timeline.peak]
    if wide < WIDE:
        words = f"peak {size_words(size)}B at {shortened(name, 20)}"
        return f'<text class="note strong" x="{LEFT}" y="12">{escape(words)}</text>'
    anchor, shift = ("start", 8) if at < wide / 2 else ("end", -8)
    words = f"peak {size:,} bytes at {name}"
    place = f'text-anchor="{anchor}" x="{at + shift:.1f}" y="{max(12, top - 7):.1f}"'
    return f'<text class="note strong" {place}>{escape(words)}</text>'


def curves(rows: Mapping[str, Sequence[tuple[float, float]]], label: str, *, wide: int = WIDE) -> str:
    """Chart named lines of (x, y), labeled at their ends."""
    points = [point for line in rows.values() for point in line]
    (left, right), values = (min(p[0] for p in points), max(p[0] for p in points)), [p[1] for p in points]
    end = wide - min(120, wide // 4)
    x, y = Scale(left, right, LEFT, end), Scale(min(values), max(values), HIGH - BOTTOM, TOP)
    drawn, ends = [], []
    for number, (name, line) in enumerate(rows.items()):
        text = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line)
        drawn.append(f'<polyline class="curve series{number % 4}" points="{text}"/>')
        ends.append((y(line[-1][1]), number, name))
    for height, number, name in _apart(ends):
        drawn.append(f'<text class="note series{number % 4}" x="{end + 8}" y="{height + 4:.1f}">{escape(name)}</text>')
    return _chart(label, x, y, "".join(drawn), cursor=None, below="epochs", wide=wide)


def scatter(points: Sequence[tuple[str, float, float]], label: str, across: str, *, wide: int = WIDE) -> str:
    """Chart (name, cost, accuracy) as labeled dots."""
    costs, values = [one[1] for one in points], [one[2] for one in points]
    room = (max(values) - min(values)) * 0.2 or 0.01
    x = Scale(0, max(costs) * 1.25, LEFT, wide - RIGHT)
    y = Scale(min(values) - room, max(values) + room, HIGH - BOTTOM, TOP)
    ends = _apart([(y(value), number, name) for number, (name, _, value) in enumerate(points)])
    dots = "".join(f'<circle class="peak" cx="{x(c):.1f}" cy="{y(v):.1f}" r="5"/>' for _, c, v in points)
    names = ""
    for height, number, name in ends:
        at = x(costs[number])
        side = f'text-anchor="end" x="{at - 9:.1f}"' if at > wide / 2 else f'x="{at + 9:.1f}"'
        names += f'<text class="note" {side} y="{height + 4:.1f}">{escape(name)}</text>'
    return _chart(label, x, y, dots + names, cursor=None, below=across, is_share=True, wide=wide)


def reliability(bins: Sequence[tuple[int, float, float]], *, wide: int = WIDE) -> str:
    """Chart accuracy by confidence: a bar per bin of (images, mean confidence, accuracy), and the diagonal."""
    x, y = Scale(0, 1, LEFT, wide - RIGHT), Scale(0, 1, HIGH - BOTTOM, TOP)
    apart = (x(1) - x(0)) / len(bins)
    bars, dots = "", ""
    for number, (count, said, was) in enumerate(bins):
        if not count:
            continue
        left, top = x(0) + number * apart, y(was)
        words = f"{count:,} images: confidence {percent_words(round(said, 4))}, accuracy {percent_words(round(was, 4))}"
        bars += (
            f'<rect class="share" opacity=".45" x="{left + 1:.1f}" y="{top:.1f}" width="{apart - 2:.1f}" '
            f'height="{y(0) - top:.1f}"><title>{words}</title></rect>'
        )
        dots += f'<circle class="peak" cx="{x(said):.1f}" cy="{top:.1f}" r="3.5"><title>{words}</title></circle>'
    line = f'<line class="limit" x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}"/>'
    images = sum(row[0] for row in bins)
    label = f"Accuracy by confidence in {len(bins)} bins of {images:,} images; on the dashed line they are equal"
    return _chart(label, x, y, bars + line + dots, cursor=None, below="confidence", is_share=True, wide=wide)


def _apart(ends: list[tuple[float, int, str]], least: float = 13) -> list[tuple[float, int, str]]:
    """Move labels down until they do not overlap."""
    placed: list[tuple[float, int, str]] = []
    for height, number, name in sorted(ends):
        at = max(height, placed[-1][0] + least) if placed else height
        placed.append((at, number, name))
    return placed


def _steps(values: Sequence[float], x: Scale, y: Scale) -> str:
    """The SVG path of a step function; of steps narrower than a pixel, only the highest is drawn."""
    every = max(1, len(values) // int(x.stop - x.start))
    parts = [f"M{x(0):.1f} {y(values[0]):.1f}"]
    for first in range(0, len(values), every):
        run = values[first : first + every]
        parts.append(f"V{y(max(run)):.1f}H{x(first + len(run)):.1f}")
    return "".join(parts)


def _chart(
    label: str, x: Scale, y: Scale, inside: str, *, cursor: int | None, below: str, wide: int, is_share: bool = False
) -> str:
    """Draw axes around a chart; `cursor` is the number of layers along x, to mark the selected one."""
    written = percent_words if is_share else size_words
    marked = percent_words if is_share and x.high == 1 else size_words
    rules = "".join(
        f'<line class="rule" x1="{LEFT}" x2="{wide - RIGHT}" y1="{y(one):.1f}" y2="{y(one):.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 7}" y="{y(one) + 4:.1f}">{written(one)}</text>'
        for one in ticks(y.low, y.high)
    )
    marks = "".join(
        f'<text class="tick" text-anchor="middle" x="{x(one):.1f}" y="{HIGH - BOTTOM + 14}">{marked(one)}</text>'
        for one in ticks(x.low, x.high)
    )
    caption = f'<text class="tick" text-anchor="end" x="{wide - RIGHT}" y="{HIGH - 3}">{escape(below)}</text>'
    line = f'<line class="cursor" x1="0" x2="0" y1="{TOP}" y2="{HIGH - BOTTOM}" display="none"/>' if cursor else ""
    data = f' data-count="{cursor}" data-left="{LEFT}" data-right="{wide - RIGHT}"' if cursor else ""
    kind = "chart" if wide == WIDE else "chart narrow"
    head = f'<svg class="{kind}" viewBox="0 0 {wide} {HIGH}" role="img" aria-label="{escape(label)}"{data}>'
    return f"{head}{rules}{marks}{caption}{inside}{line}</svg>"
