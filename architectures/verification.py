"""A spec built, measured, and compared with what is claimed of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from fieldspec.analysis.proof import Check, prove
from fieldspec.analysis.report import report_of
from fieldspec.analysis.tables import portable
from fieldspec.architectures.questions import SpecLike
from fieldspec.architectures.spec import ArchitectureSpec, load
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Merge

SCHEMA = 1


@dataclass(frozen=True)
class Verification:
    """Every number of a report beside what was measured on the built network."""

    name: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether the network ran and no number was refuted; what cannot be measured is shown, and does not count."""
        return not any(check.verdict in ("refuted", "failed") for check in self.checks)

    def count(self, verdict: str) -> int:
        """How many checks came out so."""
        return sum(check.verdict == verdict for check in self.checks)

    def __str__(self) -> str:
        proved = Counter(check.what for check in self.checks if check.verdict == "proved")
        asked = Counter(check.what for check in self.checks)
        lines = [f"{self.name}: {self.count('proved')} of {len(self.checks)} numbers proved"]
        lines += [f"  {what}: {_total(self.checks, what)}{proved[what]} of {asked[what]}" for what in asked]
        return "\n".join([*lines, *(str(check) for check in self.checks if check.verdict != "proved")])

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number; fractions as text."""
        return {
            "schema": SCHEMA,
            "name": self.name,
            "ok": self.ok,
            "proved": self.count("proved"),
            "refuted": self.count("refuted"),
            "failed": self.count("failed"),
            "not_proved": self.count("not proved"),
            "checks": [portable(asdict(check)) for check in self.checks],
        }


def verify(spec: SpecLike) -> Verification:
    """Builds a spec's network, measures it, and compares every number of the report.

    The receptive field is measured for every tapped layer, every merge, and the features.

    Example:
        >>> verification = verify({"input": [3, 16, 16], "layers": [{"conv": {"out": 8}}], "head": {"classes": 2}})
        >>> verification.ok, verification.count("not proved")
        (True, 0)
    """
    from fieldspec.architectures.builder import build

    loaded = load(spec)
    report = report_of(loaded.graph(), loaded.name)
    merges = [layer.id for layer in report.layers if isinstance(layer.layer, Merge)]
    checks = prove(build(loaded), report, path_of=module_path, layers=[*merges, *tapped(loaded)])
    return Verification(loaded.name, tuple(checks))


def module_path(id: str) -> str:
    """The path in the built network of the layer with this id.

    Example:
        >>> module_path("conv1.norm"), module_path("head.fc")
        ('layers.conv1.norm', 'head.fc')
    """
    return id if id == "head" or id.startswith("head.") else f"layers.{id}"


def tapped(spec: ArchitectureSpec) -> list[str]:
    """Ids of the layers that give the feature levels."""
    graph, outputs = LayerGraph(list(spec.graph().nodes[:1])), [0]
    for item in spec.items:
        outputs.append(graph.place(item.block, item.id, *[outputs[source] for source in item.sources]))
    return [graph.nodes[outputs[n]].id for n, item in enumerate(spec.items, 1) if item.tap]


def _total(checks: tuple[Check, ...], what: str) -> str:
    """The number itself where there is one for the whole network."""
    whole = [check for check in checks if check.what == what and not check.layer]
    return f"{whole[0].measured:,}, " if whole and isinstance(whole[0].measured, int) else ""
