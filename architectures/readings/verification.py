"""Measures a network and compares it with its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from fieldspec.analysis.proof.proof import Check, prove
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.readings.reports import Analyzable, InputSize, analyze, is_module, report_of_spec, spec_at
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text
from fieldspec.blocks.layers import Merge
from fieldspec.blocks.suggestions import did_you_mean


@dataclass(frozen=True)
class Verification:
    """Every number of a report, with the value measured on the network."""

    name: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether the network ran and no number was refuted; numbers that cannot be measured do not count."""
        return not any(check.verdict in ("refuted", "failed") for check in self.checks)

    def count(self, verdict: str) -> int:
        """Number of checks with this verdict."""
        return sum(check.verdict == verdict for check in self.checks)

    def __str__(self) -> str:
        proved = Counter(check.what for check in self.checks if check.verdict == "proved")
        asked = Counter(check.what for check in self.checks)
        lines = [f"{self.name}: {self.count('proved')} of {len(self.checks)} numbers proved"]
        lines += [f"  {what}: {_total(self.checks, what)}{proved[what]} of {asked[what]}" for what in asked]
        fields = [check for check in self.checks if check.layer and check.what in ("receptive_field", "jump", "start")]
        width = max((len(check.layer) for check in fields), default=0)
        for layer in dict.fromkeys(check.layer for check in fields):
            told = [f"{_WORDS[check.what]} {_pair(check)}" for check in fields if check.layer == layer]
            lines.append(f"  {layer:<{width}}  {', '.join(told)}")
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


def verify(
    source: Analyzable, *, input_size: InputSize | None = None, layers: Collection[str] | None = None, name: str = ""
) -> Verification:
    """Build a spec's network, or take any module, measure it, and compare every number of the report.

    For a spec, the receptive field is measured at every tapped layer, every merge and the features; for a module, at
    the last layer of every map size before the features.

    Args:
        source: A spec as for `analyze`, or any PyTorch module, which is left as it is.
        input_size: (channels, height, width) of one example; optional for specs and timm models, which have their own.
        layers: Layer ids, or paths of submodules, at which the receptive field is measured instead.
        name: Name of a module; by default its class.

    Raises:
        SpecError: The spec is invalid.
        FieldspecError: The module does not run on this input, or has no such layer.
    Example:
        >>> verification = verify({"input": [3, 16, 16], "layers": [{"conv": {"out": 8}}], "head": {"classes": 2}})
        >>> verification.ok, verification.count("not proved")
        (True, 0)
    """
    if is_module(source):
        report = analyze(source, input_size=input_size)
        chosen = _stages(report) if layers is None else _known(report, layers)
        return Verification(name or report.name, tuple(prove(source, report, layers=chosen)))
    from fieldspec.architectures.network.builder import build

    loaded = spec_at(source, input_size)
    report = report_of_spec(loaded)
    merges = [layer.id for layer in report.layers if isinstance(layer.layer, Merge)]
    chosen = [*merges, *tapped(loaded)] if layers is None else _known(report, layers)
    checks = prove(build(loaded), report, path_of=module_path, layers=chosen)
    return Verification(loaded.name, tuple(checks))


def _known(report: Report, layers: Collection[str]) -> list[str]:
    known = {*report.module_outputs, *(layer.id for layer in report.layers)}
    for layer in layers:
        if layer not in known:
            raise FieldspecError(f"{report.name} has no layer {layer!r}.{did_you_mean(layer, known)}")
    return list(layers)


def _stages(report: Report) -> list[str]:
    """The features, and the last layer that a module returns for every larger map before them."""
    keys: dict[int, str] = {}
    for key, index in report.module_outputs.items():
        if key:
            keys.setdefault(index, key)
    found = [report.features.id]
    at = report.features
    while at.inputs:
        (index, *_) = at.inputs
        before = report.layers[index]
        if before.shape[1:] != at.shape[1:]:
            while index not in keys and report.layers[index].inputs:
                (further, *_) = report.layers[index].inputs
                if report.layers[further].shape[1:] != before.shape[1:]:
                    break
                index = further
            if index in keys:
                found.append(keys[index])
        at = before
    ends = [end for level in report.levels for end in (level, *[report.layers[index] for index in level.inputs])]
    return [*found[::-1], *[end.id for end in ends if end.id in report.module_outputs and end.id not in found]]


def module_path(id: str) -> str:
    """Path in the built network of the layer with this id.

    Example:
        >>> module_path("conv1.norm"), module_path("head.fc")
        ('layers.conv1.norm', 'head.fc')
    """
    return id if id == "head" or id.startswith("head.") else f"layers.{id}"


def tapped(spec: ArchitectureSpec) -> list[str]:
    """Ids of the layers that return the feature levels."""
    nodes = spec.graph.nodes
    return [nodes[output].id for item, output in zip(spec.items, spec.outputs, strict=True) if item.tap]


_WORDS = {"receptive_field": "field", "jump": "jump", "start": "start"}


def _pair(check: Check) -> str:
    """The reported and the measured value: `47 (measured 47)`."""
    claimed, measured = (
        side_text(value) if isinstance(value, tuple) and value else "unknown" if value is None else str(value)
        for value in (check.claimed, check.measured)
    )
    return f"{claimed} (measured {measured})" if check.measured is not None else f"{claimed} ({check.verdict})"


def _total(checks: tuple[Check, ...], what: str) -> str:
    """The number itself, if there is one for the whole network."""
    whole = [check for check in checks if check.what == what and not check.layer]
    return f"{whole[0].measured:,}, " if whole and isinstance(whole[0].measured, int) else ""
