"""A spec as text: YAML with one item a line, or JSON."""

from __future__ import annotations

import json
from typing import Any

import yaml

from fieldspec.architectures.spec.spec import ArchitectureSpec, Format
from fieldspec.blocks.errors import FieldspecError


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
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Blocks for the outline, flow style for everything inside an item."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_data(self, data: Any) -> Any:
        node = super().represent_data(data)
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = not self.is_outline(data)
        return node

    @staticmethod
    def is_outline(data: Any) -> bool:
        """The document, the list of layers, an item that has more than one line to say, or constraints."""
        if isinstance(data, dict):
            return any(isinstance(value, dict | list) for value in data.values()) and (
                "layers" in data or any(isinstance(value, dict) for value in data.values())
            )
        return bool(data) and all(isinstance(item, dict) for item in data)


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
