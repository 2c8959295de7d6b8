"""Writes specs as text: YAML with one item per line, or JSON."""

from __future__ import annotations

import json
from typing import Any

import yaml

from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spec.spec import ArchitectureSpec, Format
from fieldspec.blocks.errors import FieldspecError

LINE = 100  # characters of an item, without indentation


def dump(spec: ArchitectureSpec, *, format: Format = "yaml", canonical: bool = False) -> Any:
    """Write a spec as its author did (without comments), or in canonical form; `loads` reads both,
    up to 100,000 keys and values.

    Args:
        spec: A loaded spec.
        format: `yaml` and `json` return text, `dict` returns plain data.
        canonical: Fill in every default, channel count, padding and id.

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
    """Write the document of a spec, open or closed, in a format."""
    if format == "dict":
        return data
    if format == "json":
        return json.dumps(data, indent=2) + "\n"
    if format != "yaml":
        raise FieldspecError(f"format: {format!r} is not known. Use yaml, json or dict")
    return yaml.dump(_document(data), Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Outline:
    """A node written in block style, however short: the document, its items, custom blocks."""

    def __init__(self, parts: dict[str, Any] | list[Any]) -> None:
        self.parts = parts


def _document(data: dict[str, Any]) -> _Outline:
    """An item with one key is represented by its settings: `- conv: {out: 8}`."""
    items = [_Outline(item) if isinstance(item, dict) and len(item) == 1 else item for item in data["layers"]]
    own = {key: _Outline(value) for key, value in data.items() if key == "blocks" and value}
    return _Outline({**data, **own, "layers": _Outline(items)})


class _Dumper(yaml.SafeDumper):
    """Writes an item on one line unless that is too long; longer values are split into lines."""

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
    """A string, quoted if our reader would see a number (`1e-3`, which YAML 1.1 and thus PyYAML would not)."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _is_number(text) else None)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_Dumper.add_representer(str, _text)
_Dumper.add_representer(type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "~"))
