"""Series and branches of a network, and the form in which they are compared with a block's expression."""

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
        """The layer."""
        return self.vertex.layer

    @property
    def shape(self) -> Shape:
        """Output shape."""
        return self.vertex.shape

    @property
    def form(self) -> Any:
        """The layer, independent of its position in the network."""
        return self.vertex.layer


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Branches from one input that end in a merge; an empty branch is the identity."""

    vertex: Vertex  # the merge
    branches: tuple[Series, ...]
    form: Any = field(init=False)

    def __post_init__(self) -> None:
        merge = self.vertex.layer
        assert isinstance(merge, Merge)  # only merges read several vertices
        object.__setattr__(self, "form", _fork_form(merge, [form_of(branch) for branch in self.branches]))

    @property
    def merge(self) -> Layer:
        """The merge of the branches."""
        return self.vertex.layer

    @property
    def shape(self) -> Shape:
        """Output shape."""
        return self.vertex.shape


SeriesPart = Leaf | Fork
Series = tuple[SeriesPart, ...]


def form_of(series: Series) -> PartsForm:
    """The form of a series, independent of its position in the network."""
    return tuple([part.form for part in series])


def _fork_form(merge: Merge, branches: list[PartsForm]) -> Any:
    """The form of a fork; summands and factors may come in any order."""
    if isinstance(merge, Add | Multiply):
        branches = sorted(branches, key=repr)
    return (merge, *branches)


def form_of_block(block: Block) -> PartsForm:
    """The form of a block's expression: chains flattened, identities left out.

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
