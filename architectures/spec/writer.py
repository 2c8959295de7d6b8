"""A spec as text: YAML with one item a line, or JSON."""

from __future__ import annotations

import json
from typing import Any

import yaml

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.spec import ArchitectureSpec, Format
from fieldspec.blocks.errors import FieldspecError

LINE = 100  # characters of one item, its indentation left out


def dump(spec: ArchitectureSpec, *, format: Format = "yaml", canonical: bool = False) -> Any:
    """The spec as its author wrote it (comments apart), or in its canonical form; `loads` reads either back,
    as long as it has no more than 100,000 keys and values.

    Args:
        spec: A loaded spec.
        format: `yaml` and `json` give text, `dict` plain data.
        canonical: Every default, channel count, padding and id filled in.

    Example:
        >>> from fieldspec.architectures.spec.spec import loads
        >>> print(dump(loads("{input: [3, 8, 8], layers: [{conv: {out: 8, act: none}}]}")))
        input: [3, 8, 8]
        layers:
        - conv: {out: 8, act: none}
        <BLANKLINE>
    """
    return written_out(spec.canonical() if canonical else spec.to_dict(), format)


def written_out(data: dict[str, Any], format: Format) -> Any:
    """The document of a spec, open or closed, in a format."""
    if format == "dict":
        return data
    if format == "json":
        return json.dumps(data, indent=2) + "\n"
    if format != "yaml":
        raise FieldspecError(f"format: {format!r} is not known. Use yaml, json or dict")
    return yaml.dump(_document(data), Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Outline:
    """What stands on lines of its own, however short: the document, its items, the spec's own blocks."""

    def __init__(self, parts: dict[str, Any] | list[Any]) -> None:
        self.parts = parts


def _document(data: dict[str, Any]) -> _Outline:
    """An item of one key is told by its settings: `- conv: {out: 8}`."""
    items = [_Outline(item) if isinstance(item, dict) and len(item) == 1 else item for item in data["layers"]]
    own = {key: _Outline(value) for key, value in data.items() if key == "blocks" and value}
    return _Outline({**data, **own, "layers": _Outline(items)})


class _Dumper(yaml.SafeDumper):
    """A line for an item, as long as that is not too long; what is longer becomes lines of its own."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_data(self, data: Any) -> Any:
        outline = isinstance(data, _Outline)
        data = data.parts if outline else data
        node = super().represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = not outline and len(flow(data)) <= LINE
        return node


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    """A string, in quotes where our reader would see a number (`1e-3`: YAML 1.1, hence PyYAML, would not)."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _is_number(text) else None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_Dumper.add_representer(str, _text)
_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "~"))
