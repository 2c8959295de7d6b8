"""The spec of a network: loaded, checked as a whole, and laid out as a layer graph. Free of torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import Any, Literal

from fieldspec.analysis.fields.receptive_fields import Field
from fieldspec.analysis.report.pictured import shown
from fieldspec.architectures.document.domains import Domain, closed, domains_of
from fieldspec.architectures.document.problems import Problems, SpecError, mend, shorten
from fieldspec.architectures.document.reader import Source, read, read_data, read_file
from fieldspec.architectures.document.values import listed, written
from fieldspec.architectures.expansion.parameters import LEFT_OUT, value_of
from fieldspec.architectures.expansion.scope import names_read
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.assembly import assemble
from fieldspec.architectures.spec.constraints import Constraints
from fieldspec.architectures.spec.head_spec import HeadSpec
from fieldspec.architectures.spec.trunk import Item
from fieldspec.blocks.collector import collector_paused
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import article
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.suggestions import did_you_mean

__all__ = ["ArchitectureSpec", "Format", "HeadSpec", "Item", "load", "loads"]

Format = Literal["yaml", "json", "dict"]


@dataclass(frozen=True, eq=False)
class ArchitectureSpec:
    """A network as data. Equal specs have the same name, canonical form and constraints."""

    name: str
    input: tuple[int, ...]  # (channels, height, width); or with one or three axes
    items: tuple[Item, ...] = field(repr=False)
    head: HeadSpec | None
    constraints: Constraints = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)  # as written by its author
    graph: LayerGraph = field(repr=False)  # node ids: the items' ids, `head`, and paths inside their blocks
    outputs: tuple[int, ...] = field(repr=False)  # for each item, the index of its output node
    fields: list[Field] = field(repr=False)  # the field of each node
    ends: tuple[str, ...] = ()  # ids of the output items, if there are several

    @property
    def params(self) -> dict[str, Any]:
        """The values of its parameters, for a member of a family."""
        values = {name: value_of(value) for name, value in (self.document.get("params") or {}).items()}
        return {name: None if value is LEFT_OUT else value for name, value in values.items()}

    def to_dict(self) -> dict[str, Any]:
        """The authoring form, as plain data that `load` accepts."""
        data: dict[str, Any] = listed(dict(self.document))
        return data

    def canonical(self) -> dict[str, Any]:
        """The canonical form: every default, channel count, padding and id filled in; loads to an equal spec."""
        data: dict[str, Any] = {"schema": 1, "name": self.name, "input": list(self.input), **listed(self._built())}
        constraints = self.constraints.to_dict()
        return {**data, "constraints": constraints} if constraints else data

    def _built(self) -> dict[str, Any]:
        names = ["input", *[item.id for item in self.items]]
        layers = []
        for number, item in enumerate(self.items):
            data: dict[str, Any] = {"id": item.id, item.kind: item.settings, **names_read(item.sources, number, names)}
            if item.tap:
                data["tap"] = True
            layers.append(data)
        head = self.head
        if head is None:
            return {"layers": layers, "outputs": list(self.ends)} if self.ends else {"layers": layers}
        return {"layers": layers, "head": head.to_dict()}

    @property
    def hash(self) -> str:
        """SHA-256 of what is built (input, layers, head), independent of name, taps, comments and constraints."""
        built = self._built()
        for layer in built["layers"]:
            layer.pop("tap", None)
        text = json.dumps({"input": list(self.input), **built}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ArchitectureSpec):
            return NotImplemented
        return self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(self.hash)

    def _repr_html_(self) -> str | None:
        return shown("spec_html", self)


def load(source: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any], **params: Any) -> ArchitectureSpec:
    """Load a spec from the catalogue (a name), a YAML or JSON file (a path), or plain data.

    Args:
        source: Name, path or data; a loaded spec is returned as it is.
        params: Values for the spec's parameters, in place of its own.

    Raises:
        SpecError: The spec is invalid; lists all problems, one per line.
        FieldspecError: There is no such catalogue entry or file.
    Example:
        >>> load("c1c2c3c40").input
        (3, 32, 32)
        >>> wide = {"input": [3, 8, 8], "params": {"width": 8}, "layers": [{"conv": {"out": "2*$width"}}]}
        >>> load(wide, width=12).graph.nodes[-1].shape
        (24, 8, 8)
    """
    return source if isinstance(source, ArchitectureSpec) and not params else spec_of(source_of(source, params))


def source_of(
    source: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any], params: Mapping[str, Any]
) -> Source:
    """Read the document of a spec, with values for its parameters."""
    if isinstance(source, ArchitectureSpec):
        return with_params(read_data(source.document), params, source.name)
    found = _found(source)
    return with_params(found, params, str(source)[:60]) if params else found


def with_params(source: Source, params: Mapping[str, Any], name: str) -> Source:
    """The same document with other values for its parameters, and for open values in place.

    Raises:
        FieldspecError: There is no such parameter, or the value is not in its domain.
    """
    if not params:
        return source
    known = source.data.get("params")
    known = known if isinstance(known, dict) else {}
    values = read_data({"params": dict(params)}).data["params"]
    domains = {domain.name: domain for domain in domains_of(source.data, Problems().add)}
    for given, value in values.items():
        if given in domains:
            _check_is_in(domains[given], value, name)
        elif given not in known:
            has = mend(given, [*known, *domains]) if known or domains else " It has none."
            what = "open setting" if "." in given or "[" in given else "parameter"
            raise FieldspecError(f"{name}: unknown {what} {given!r}.{has}")
    places = {domains[given].path if given in domains else ("params", given): value for given, value in values.items()}
    null = {path: {"default": None} for path, value in places.items() if value is None and path[0] == "params"}
    data: dict[str, Any] = closed(source.data, {**places, **null})
    return replace(source, data=data)


def _check_is_in(domain: Domain, value: Any, name: str) -> None:
    if not any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in domain.values):
        raise FieldspecError(f"{name}: {domain.name} is {written(value)}, but its domain is {domain}")


def _found(source: str | os.PathLike[str] | Mapping[str, Any]) -> Source:
    if isinstance(source, Mapping):
        return read_data(source)
    if isinstance(source, str) and source in catalogue.list_models():
        return read_file(catalogue.path(source), f"{source}.yaml")
    if not isinstance(source, str | os.PathLike):
        raise FieldspecError(_no_spec(source))
    path = FilePath(source)
    try:
        if path.is_dir():
            raise FieldspecError(f"{path}: is a folder. Use a file in it")
        if not path.exists():
            raise FieldspecError(_nothing_there(os.fspath(source)))
    except OSError as error:  # such as a name that is too long
        raise FieldspecError(f"{shorten(os.fspath(source))}: {error.strerror}") from None
    return read_file(path, os.fspath(source))


def _no_spec(source: Any) -> str:
    if isinstance(source, type):
        return f"{source.__name__} is a class; pass an instance: {source.__name__}()"
    known = "a spec is a catalogue name, a path, a dict or a loaded spec (analyze and verify also take an nn.Module)"
    return f"{known}, not {article(type(source).__name__)}"


def loads(text: str | bytes, *, name: str | None = None, **params: Any) -> ArchitectureSpec:
    """Load a spec from YAML or JSON text; messages call it `name`; `params` are as for `load`.

    Raises:
        SpecError: The spec is invalid; lists all problems, with line and column.
    Example:
        >>> loads("{input: [3, 32, 32], layers: [{conv: {out: 8}}]}").items[0].id
        'conv1'
    """
    if not isinstance(text, str | bytes):
        raise FieldspecError(f"loads reads text, not a {type(text).__name__}; load takes a dict or a path")
    return spec_of(with_params(read(text, name), params, name or "the spec"))


def _nothing_there(source: str) -> str:
    if "\n" in source or "{" in source:
        return f"{shorten(source)}: no such file. To load the text of a spec, use loads()"
    if source in ("timm:", "torchvision:"):
        return f"{source} needs the name of a network, such as {source}resnet18"
    if os.path.splitext(source)[1] or os.sep in source:
        return f"{source}: no such file"
    near = did_you_mean(source, catalogue.list_models())
    return f"{source!r} is neither in the catalogue nor a file.{near or ' fieldspec list names the catalogue.'}"


def spec_of(source: Source) -> ArchitectureSpec:
    """Create the spec of a document that was read."""
    with collector_paused():
        assembled, problems = assemble(source.data)
    if assembled is None:
        raise SpecError(map(source.place, problems))
    it = assembled
    return ArchitectureSpec(
        it.name, it.input, it.items, it.head, it.constraints, source.data, it.graph, it.outputs, it.fields, it.ends
    )
