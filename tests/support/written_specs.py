"""Specs from a few lines of text, and what is asked of them."""

from __future__ import annotations

from typing import Any

from fieldspec.architectures.spec.spec import ArchitectureSpec, loads


def spec_of(layers: str, rest: str = "", size: str = "[3, 32, 32]") -> ArchitectureSpec:
    """A spec from its layers."""
    return loads(f"{{input: {size}, layers: {layers}{rest}}}")


def settings(layers: str, rest: str = "") -> Any:
    """The canonical settings of the first layer."""
    return spec_of(layers, rest).items[0].settings


def shape(spec: ArchitectureSpec) -> tuple[int, ...]:
    """Of the network's output."""
    graph = spec.graph
    return graph.nodes[graph.output].shape
