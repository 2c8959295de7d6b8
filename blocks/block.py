"""Blocks: expressions over layers and combinators, from which both the module and the numbers are derived."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from fieldspec.blocks.errors import FieldspecError

if TYPE_CHECKING:
    from torch import nn

    from fieldspec.blocks.layers import Add, Concat, Multiply


@dataclass(frozen=True, slots=True)
class Block:
    """Base class: a layer, a chain of blocks, parallel branches with a merge, or blocks wired in any order."""

    def out_channels_of(self, in_channels: int) -> int:
        """Number of output channels for an input of `in_channels`."""
        raise NotImplementedError

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        """Input units per output unit, per axis: the stride; 1/2 for 2x upsampling; empty if 1 along every axis."""
        raise NotImplementedError

    def module(self, **factory: Any) -> nn.Module:
        """Build the torch module of this block; `factory` is `device=` and `dtype=`.

        Example:
            >>> from fieldspec.blocks import depthwise_separable
            >>> module = depthwise_separable(32, out_channels=64, stride=2).module()
            >>> sum(p.numel() for p in module.parameters())   # 32*9 + 2*32 + 32*64 + 2*64
            2528
        """
        from fieldspec.blocks.modules import to_module

        return to_module(self, **factory)


@dataclass(frozen=True, slots=True)
class Chain(Block):
    """Named blocks in series: an `nn.Sequential`."""

    children: tuple[tuple[str, Block], ...] = ()

    def __post_init__(self) -> None:
        _check_names(self.children)

    def out_channels_of(self, in_channels: int) -> int:
        for _, child in self.children:
            in_channels = child.out_channels_of(in_channels)
        return in_channels

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        total: tuple[Fraction | int, ...] = ()
        for _, child in self.children:
            if step := child.scale:
                total = _product(total, step)
        return total


@dataclass(frozen=True, slots=True)
class Parallel(Block):
    """Named branches that read the same input and end in a merge; an empty chain is the identity."""

    merge: Add | Multiply | Concat
    branches: tuple[tuple[str, Block], ...]

    def __post_init__(self) -> None:
        _check_names(self.branches)

    def out_channels_of(self, in_channels: int) -> int:
        return self.merge.merged_channels([branch.out_channels_of(in_channels) for _, branch in self.branches])

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        return self.branches[0][1].scale


@dataclass(frozen=True, slots=True)
class Wired(Block):
    """Named blocks, each reading the blocks listed in `sources`: 0 is the input, n + 1 the output of block n.

    The output is that of the last block. A merge reads two or more blocks, every other block one.

    Example:
        >>> from fieldspec.blocks import LayerGraph, Wired, conv
        >>> from fieldspec.blocks.layers import Concat
        >>> parts = (("one", conv(3, out_channels=4)), ("two", conv(4, out_channels=8)), ("all", Concat()))
        >>> LayerGraph.of(Wired(parts, ((0,), (1,), (0, 1, 2))), (3, 32, 32)).nodes[-1].shape      # 3 + 4 + 8 channels
        (15, 32, 32)
    """

    children: tuple[tuple[str, Block], ...]
    sources: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        _check_names(self.children)
        if not self.children or len(self.sources) != len(self.children):
            raise FieldspecError(f"a block has {len(self.children)} parts, but sources for {len(self.sources)}")
        read = {source for sources in self.sources for source in sources} | {len(self.children)}
        for number, (name, child) in enumerate(self.children):
            sources = self.sources[number]
            if not all(0 <= source <= number for source in sources):
                raise FieldspecError(
                    f"part {name!r} of a block reads {list(sources)}; it may only read what comes before it"
                )
            if (len(sources) > 1) != hasattr(child, "merged_channels") or not sources:
                raise FieldspecError(
                    f"part {name!r} of a block reads {list(sources)}; a merge reads several, other parts one"
                )
            if number + 1 not in read:
                raise FieldspecError(f"nothing reads part {name!r} of a block")

    def out_channels_of(self, in_channels: int) -> int:
        channels = [in_channels]
        for (_, child), (first, *others) in zip(self.children, self.sources, strict=True):
            merged = getattr(child, "merged_channels", None)
            read = [channels[source] for source in (first, *others)]
            channels.append(merged(read) if merged else child.out_channels_of(read[0]))
        return channels[-1]

    @property
    def scale(self) -> tuple[Fraction | int, ...]:
        totals: list[tuple[Fraction | int, ...]] = [()]
        for (_, child), (first, *others) in zip(self.children, self.sources, strict=True):
            totals.append(totals[first] if others else _product(totals[first], child.scale))
        return totals[-1]


def _product(total: tuple[Fraction | int, ...], step: tuple[Fraction | int, ...]) -> tuple[Fraction | int, ...]:
    """The scale of two blocks in series."""
    return tuple([by * own for by, own in zip(total, step, strict=True)]) if total and step else total or step


def _check_names(parts: tuple[tuple[str, Block], ...]) -> None:
    """Check that part names are unique and valid, since each part becomes a module under its name."""
    names = dict(parts)
    if len(names) < len(parts):
        given = [name for name, _ in parts]
        twice = next(name for name in given if given.count(name) > 1)
        raise FieldspecError(f"two parts of a block are called {twice!r}; rename one")
    if "" in names or "." in "".join(names):
        name = next(name for name in names if not name or "." in name)
        raise FieldspecError(f"a part of a block is called {name!r}; a name must not be empty or contain a dot")


def chain(*blocks: Block, **named: Block) -> Chain:
    """Chain blocks in series; unnamed ones are numbered by kind: `conv1`, `norm1`, `conv2`.

    Example:
        >>> from fieldspec.blocks import chain, conv
        >>> [name for name, _ in chain(conv(3, out_channels=8), conv(8, out_channels=8)).children]
        ['chain1', 'chain2']
    """
    counts: dict[str, int] = {}
    children: list[tuple[str, Block]] = []
    for block in blocks:
        kind = getattr(block, "kind", type(block).__name__.lower())
        counts[kind] = counts.get(kind, 0) + 1
        children.append((f"{kind}{counts[kind]}", block))
    return Chain((*children, *named.items()))


def parallel_add(**branches: Block) -> Parallel:
    """Add the outputs of named branches, as in a residual block."""
    from fieldspec.blocks.layers import Add

    return Parallel(Add(), tuple(branches.items()))


def parallel_concat(**branches: Block) -> Parallel:
    """Concatenate the outputs of named branches along channels."""
    from fieldspec.blocks.layers import Concat

    return Parallel(Concat(), tuple(branches.items()))


def gate(body: Block) -> Parallel:
    """Multiply the input by the output of `body`, as in squeeze-excite or spatial attention."""
    from fieldspec.blocks.layers import Multiply

    return Parallel(Multiply(), (("input", IDENTITY), ("body", body)))


IDENTITY = Chain()
