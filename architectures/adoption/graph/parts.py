"""Series of layers and of branches that meet, and the form by which they are compared with a block's expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fieldspec.architectures.adoption.graph.plan import Vertex
from fieldspec.blocks.block import Block, Chain, Parallel, Wired
from fieldspec.blocks.layers import Add, Identity, Layer, Merge, Multiply, Shape

PartsForm = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """One layer."""

    vertex: Vertex

    @property
    def layer(self) -> Layer:
        """What it is."""
        return self.vertex.layer

    @property
    def shape(self) -> Shape:
        """Of its output."""
        return self.vertex.shape

    @property
    def form(self) -> Any:
        """What it is, without its place."""
        return self.vertex.layer


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Branches from one input that meet in a merge; an empty one is the identity."""

    vertex: Vertex  # the merge
    branches: tuple[Series, ...]
    form: Any = field(init=False)

    def __post_init__(self) -> None:
        merge = self.vertex.layer
        assert isinstance(merge, Merge)  # the only vertices that read several
        object.__setattr__(self, "form", _fork_form(merge, [form_of(branch) for branch in self.branches]))

    @property
    def merge(self) -> Layer:
        """Where they meet."""
        return self.vertex.layer

    @property
    def shape(self) -> Shape:
        """Of its output."""
        return self.vertex.shape


SeriesPart = Leaf | Fork
Series = tuple[SeriesPart, ...]


def form_of(series: Series) -> PartsForm:
    """What a series is, without its places."""
    return tuple([part.form for part in series])


def _fork_form(merge: Merge, branches: list[PartsForm]) -> Any:
    """Summands and factors stand in any order."""
    if isinstance(merge, Add | Multiply):
        branches = sorted(branches, key=repr)
    return (merge, *branches)


def form_of_block(block: Block) -> PartsForm:
    """The form of a block's expression: chains written out, identities left out.

    Example:
        >>> from fieldspec.blocks import conv
        >>> [layer.kind for layer in form_of_block(conv(3, out_channels=8))]
        ['conv', 'norm', 'act']
    """
    if isinstance(block, Chain):
        return tuple([part for _, child in block.children for part in form_of_block(child)])
    if isinstance(block, Parallel):
        return (_fork_form(block.merge, [form_of_block(branch) for _, branch in block.branches]),)
    if isinstance(block, Wired):
        return (("wired", block.sources, *[form_of_block(child) for _, child in block.children]),)
    return () if isinstance(block, Identity) else (block,)


def vertices_in(series: Series) -> Iterator[Vertex]:
    """All vertices of a series, in no particular order."""
    for part in series:
        if isinstance(part, Fork):
            for branch in part.branches:
                yield from vertices_in(branch)
        yield part.vertex
