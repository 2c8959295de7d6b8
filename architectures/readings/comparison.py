"""Comparison of two specs: settings item by item, and the effect on the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fieldspec.analysis.report.pictured import shown
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.document.values import flow
from fieldspec.architectures.readings.changes import Change, in_few_lines
from fieldspec.architectures.readings.pairing import EQUAL, paired
from fieldspec.architectures.readings.reports import SpecLike, analyze
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.formatting import side_text

CanonicalLayer = Mapping[str, Any]  # an item of a canonical form


@dataclass(frozen=True, slots=True)
class Diff:
    """The differences of two specs; false if they build the same network with the same constraints."""

    names: tuple[str, str]
    changes: tuple[Change, ...]
    numbers: tuple[Change, ...] = field(default=())

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        title = f"{self.names[0]} -> {self.names[1]}"
        if not self.changes:
            return f"{title}: equal"
        return "\n".join([title, *map(str, self.summary)])

    @property
    def summary(self) -> list[Change]:
        """The changes as printed: equal changes of copies on one line, then the numbers."""
        return [*in_few_lines(self.changes), *self.numbers]

    def _repr_html_(self) -> str | None:
        return shown("diff_html", self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "schema": 1,
            "names": list(self.names),
            "changes": [{"path": c.path, "before": c.before, "after": c.after} for c in self.changes],
            "numbers": [{"name": c.path, "before": c.before, "after": c.after} for c in self.numbers],
        }


def diff(before: SpecLike, after: SpecLike, *, engine: str | None = None) -> Diff:
    """Compare two specs semantically, by their canonical forms, so that spelling and defaults do not matter.

    Items are matched in order, by block and settings before ids, so an inserted item appears as one addition; among
    equally good matches the one with the same id is taken.

    Args:
        before: A spec, as for `load`.
        after: A spec, as for `load`.
        engine: Engine for which operators, flash and RAM are compared as well: `tflm`.

    Example:
        >>> one = {"input": [3, 8, 8], "layers": [{"conv": {"out": 8}}]}
        >>> two = {"input": [3, 8, 8], "layers": [{"conv": {"out": 8, "stride": 2}}]}
        >>> print(diff(one, two).changes[0])
        ~ layers.conv1.stride: [1, 1] -> [2, 2]
    """
    old, new = load(before), load(after)
    first, second = old.canonical(), new.canonical()
    changes = _mappings("", _without(first), _without(second)) + _layers("layers", first["layers"], second["layers"])
    numbers = _numbers(old, new) if changes else []
    if changes and engine is not None:
        numbers += _moved(_on_engine(old, engine), _on_engine(new, engine))
    return Diff(_names(old, new), tuple(changes), tuple(numbers))


def _names(before: ArchitectureSpec, after: ArchitectureSpec) -> tuple[str, str]:
    """The names of both specs; for members of one family, with the parameters that differ: `resnet20 depth=20`."""
    values = before.params, after.params
    apart = [name for name in values[0] if name in values[1] and values[0][name] != values[1][name]]
    first, second = (
        " ".join([spec.name, *[f"{name}={flow(own[name])}" for name in apart]])
        for spec, own in zip((before, after), values, strict=True)
    )
    return first, second


def _without(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("layers", "name", "schema")}


def _mappings(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    changes = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new, here = before.get(key), after.get(key), f"{path}.{key}".lstrip(".")
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            changes += _mappings(here, old, new)
        elif old != new:
            changes += _inside(here, old, new) or [Change(here, old, new)]
    return changes


def _inside(path: str, before: Any, after: Any) -> list[Change]:
    """Changes inside a body or branches; none if the values are neither."""
    if _are_items(before) and _are_items(after):
        return _layers(path, before, after)
    if not isinstance(before, list) or not isinstance(after, list) or len(before) != len(after):
        return []
    if not all(map(_are_items, [*before, *after])):
        return []
    branches = enumerate(zip(before, after, strict=True))
    return [change for number, pair in branches for change in _layers(f"{path}[{number}]", *pair)]


def _are_items(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) and "id" in one for one in value)


def _block(item: CanonicalLayer) -> str:
    return next(key for key in item if key not in ("id", "from", "tap"))


def _layers(path: str, before: list[CanonicalLayer], after: list[CanonicalLayer]) -> list[Change]:
    """Match items in order; unmatched ones are removed or added."""
    pairs = paired(before, after, _likeness)
    renamed = {before[old]["id"]: after[new]["id"] for old, new in pairs}
    changes: list[Change] = []
    row = column = 0
    for old, new in [*pairs, (len(before), len(after))]:
        changes += [Change(f"{path}.{item['id']}", _said(item), None) for item in before[row:old]]
        changes += [Change(f"{path}.{item['id']}", None, _said(item)) for item in after[column:new]]
        if old < len(before):
            changes += _item(path, before[old], after[new], renamed)
        row, column = old + 1, new + 1
    return changes


def _likeness(before: CanonicalLayer, after: CanonicalLayer) -> float:
    """Similarity: 0 for different blocks, 3 for equal items, else 1 + share of equal settings + 0.9 for equal ids."""
    kind = _block(before)
    if kind != _block(after):
        return 0.0
    old, new = before[kind], after[kind]
    if old == new:
        return EQUAL
    agree: int = sum(old.get(key) == value for key, value in new.items())
    of_one_id = 0.9 if before["id"] == after["id"] else 0.0  # so that the sum stays below 3
    return 1.0 + agree / max(1, len(new)) + of_one_id


def _item(path: str, before: CanonicalLayer, after: CanonicalLayer, renamed: Mapping[str, str]) -> list[Change]:
    """Changes between two items of the same block; `from` is unchanged if it names the matched item."""
    here, kind = f"{path}.{after['id']}", _block(before)
    sources = before.get("from")
    named = (
        [renamed.get(name, name) for name in sources]
        if isinstance(sources, list)
        else renamed.get(str(sources), sources)
    )
    beside = [("from", named, after.get("from")), ("tap", before.get("tap"), after.get("tap"))]
    changes = [Change(f"{here}.{key}", old, new) for key, old, new in beside if old != new]
    return _mappings(here, before[kind], after[kind]) + changes


def _said(item: CanonicalLayer) -> dict[str, Any]:
    return {_block(item): item[_block(item)]}


def _numbers(before: ArchitectureSpec, after: ArchitectureSpec) -> list[Change]:
    return _moved(*[_told(analyze(spec)) for spec in (before, after)])


def _told(report: Report) -> dict[str, Any]:
    return {
        "params": report.params,
        "macs": report.macs,
        "receptive_field": side_text(report.features.receptive_field),
        "jump": side_text(report.features.jump),
        "feature map": side_text(report.features.shape),
        "activation bytes": report.peak_bytes(),
    }


def _on_engine(spec: ArchitectureSpec, engine: str) -> dict[str, Any]:
    """Operators, bytes of flash, and bytes of each kind of RAM; or the reason why there are none."""
    from fieldspec.analysis.inference.engine import engine_report
    from fieldspec.analysis.inference.kinds import SRAM
    from fieldspec.analysis.inference.lowering.operators import EngineError

    try:
        report = engine_report(spec.graph, engine)
    except EngineError as error:
        return {"engine": str(error)}
    ram = {f"sram.{kind}": report.sram(kind) for kind in SRAM}
    return {"operators": len(report.lowered.operators), "flash": report.flash, **ram}


def _moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    pairs = {name: (before.get(name), after.get(name)) for name in {**before, **after}}
    return [Change(name, one, other) for name, (one, other) in pairs.items() if one != other]
