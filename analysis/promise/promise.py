"""The training-free proxies of a network, collected."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from fieldspec.analysis.effective.distributions import SHARE
from fieldspec.analysis.effective.effective_field import effective_receptive_field
from fieldspec.analysis.promise.entropy import depth, effectiveness, entropy, map_entropy
from fieldspec.analysis.promise.narrowest import narrowest_map
from fieldspec.analysis.report.plain_data import SCHEMA
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.formatting import markdown_list
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text


def effective_side(report: Report) -> tuple[int, ...] | None:
    """Pixels per axis that hold 95 % of the paths to a unit of the last map; None if they cannot be counted."""
    try:
        return effective_receptive_field(report).side(SHARE)
    except FieldspecError:
        return None


@dataclass(frozen=True)
class Promise:
    """Proxies for what a network can learn, computed without weights; docs/search.md says how far to trust them.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, chain, conv
        >>> graph = LayerGraph.of(chain(conv(3, out_channels=8), conv(8, out_channels=8, stride=2)), (3, 32, 32))
        >>> print(Promise.of(report_of(graph, "two")).to_text(), end="")
        two: training-free proxies, for the layers up to chain2.act
          entropy 7.573 nats for one element, over 2 layers; 57.741 for the map of 8x16x16
          effectiveness 0.045: depth over the geometric mean of the widths
          narrowest map 8 channels (no shortcut bypasses it)
          effective field 5: 2.4 % of the image holds 95 % of the paths to a unit
    """

    name: str
    layer: str  # the last map whose units have a position
    shape: tuple[int, ...]  # of that layer
    entropy: float | None
    map_entropy: float | None
    depth: int | None
    effectiveness: float | None
    narrowest_map: int | None
    effective_field: tuple[int, ...] | None
    image: tuple[int, ...] = field(repr=False)

    @staticmethod
    def of(report: Report) -> Promise:
        """Compute the proxies for the network of a report."""
        last = report.features
        numbers = (entropy(report), map_entropy(report), depth(report), effectiveness(report), narrowest_map(report))
        return Promise(report.name, last.id, last.shape, *numbers, effective_side(report), report.input[1:])

    @property
    def image_share(self) -> float | None:
        """Fraction of the image inside the effective field."""
        if self.effective_field is None:
            return None
        return prod(min(side, size) / size for side, size in zip(self.effective_field, self.image, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data; null for missing values."""
        side = self.effective_field
        return {
            "schema": SCHEMA,
            "name": self.name,
            "layer": self.layer,
            "entropy": self.entropy,
            "map_entropy": self.map_entropy,
            "depth": self.depth,
            "effectiveness": self.effectiveness,
            "narrowest_map": self.narrowest_map,
            "effective_field": None if side is None else list(side),
            "image_share": self.image_share,
        }

    def to_text(self) -> str:
        """A few lines for a terminal."""
        lines = [f"{self.name}: training-free proxies, for the layers up to {self.layer}"]
        if self.entropy is None:
            lines.append("  no entropy: there is no map, or some multiply-adds are unknown")
        else:
            of_map = f"{self.map_entropy:,.3f} for the map of {side_text(self.shape)}"
            lines += [
                f"  entropy {self.entropy:,} nats for one element, over {self.depth} layers; {of_map}",
                f"  effectiveness {self.effectiveness}: depth over the geometric mean of the widths",
            ]
        if self.narrowest_map is not None:
            lines.append(f"  narrowest map {self.narrowest_map} channels (no shortcut bypasses it)")
        if self.effective_field is not None and self.image_share is not None:
            share = f"{100 * self.image_share:.1f} % of the image holds {100 * SHARE:g} % of the paths to a unit"
            lines.append(f"  effective field {side_text(self.effective_field)}: {share}")
        return "\n".join([*lines, ""])

    def to_markdown(self) -> str:
        """The same as a Markdown list."""
        return markdown_list(self.to_text())
