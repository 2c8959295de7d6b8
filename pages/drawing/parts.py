"""The hierarchy of a drawing: a network as nested blocks, down to boxes of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil

from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.tables import FOLDED
from fieldspec.blocks.layers import Input

FLAT = 12  # blocks with at most this many layers are drawn without inner frames
MOST = 28  # maximum number of parts in a block; more are grouped in runs


@dataclass(frozen=True, slots=True)
class LayerPart:
    """The box of a layer, with the norms and activations after it whose input nothing else reads."""

    layers: tuple[int, ...]  # indices in the report, the layer itself first

    @property
    def main(self) -> int:
        """The layer that gives the box its name."""
        return self.layers[0]


@dataclass(frozen=True, slots=True)
class BlockPart:
    """A box that opens: the layers under a path, or a run of parts if there are too many."""

    path: str
    parts: tuple[Part, ...]

    def leaves(self) -> Iterator[LayerPart]:
        """Yield all layers in the block, in order."""
        for part in self.parts:
            if isinstance(part, BlockPart):
                yield from part.leaves()
            else:
                yield part


Part = LayerPart | BlockPart


def parts_of(report: Report) -> BlockPart:
    """Make the hierarchy of a network.

    Blocks are runs of consecutive layers with a common prefix of their ids, so data flows only one way between blocks.

    Example:
        >>> from fieldspec.analysis import report_of
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> network = parts_of(report_of(LayerGraph.of(conv(3, out_channels=8), (3, 32, 32))))
        >>> [part.layers for part in network.parts]                       # norm and act are folded into conv
        [(0,), (1, 2, 3)]
    """
    leaves = folded(report)
    ids = [layer.id for layer in report.layers]
    parents = {one[:at] for one in ids for at, sign in enumerate(one) if sign == "."}
    paths = [_path(ids[leaf.main], parents) for leaf in leaves]
    return BlockPart("", _gathered(_block(leaves, paths, 0), ids))


def folded(report: Report) -> list[LayerPart]:
    """Assign every layer to a box, in the order of the report."""
    layers = report.layers
    readers = [0] * len(layers)
    for layer in layers:
        for source in layer.inputs:
            readers[source] += 1
    found: list[list[int]] = []
    home: list[int] = []
    for index, layer in enumerate(layers):
        first = layer.inputs[0] if len(layer.inputs) == 1 else 0  # layers with no or several inputs have their own box
        is_chained = len(layer.inputs) == 1 and readers[first] == 1 and not isinstance(layers[first].layer, Input)
        if is_chained and isinstance(layer.layer, FOLDED):
            home.append(home[first])
            found[home[first]].append(index)
        else:
            home.append(len(found))
            found.append([index])
    return [LayerPart(tuple(one)) for one in found]


def _path(id: str, parents: set[str]) -> tuple[str, ...]:
    """The path of the block that contains a layer; a layer with a block's id is inside that block."""
    names = tuple(id.split("."))
    return names if id in parents else names[:-1]


def _block(leaves: Sequence[LayerPart], paths: Sequence[tuple[str, ...]], depth: int) -> tuple[Part, ...]:
    """The parts of a block whose path has `depth` names; runs with the same next name form inner blocks."""
    parts: list[Part] = []
    places = range(len(leaves))
    for name, run in groupby(places, key=lambda at: paths[at][depth] if len(paths[at]) > depth else None):
        numbers = list(run)
        inside = [leaves[at] for at in numbers]
        if name is None or len(inside) == 1:
            parts += inside
            continue
        below = _block(inside, [paths[at] for at in numbers], depth + 1)
        if len(below) == 1 and isinstance(below[0], BlockPart):
            parts += below  # skip a block that only contains a block
        else:
            parts.append(BlockPart(".".join(paths[numbers[0]][: depth + 1]), _flat(below)))
    return tuple(parts)


def _flat(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Flatten a small block to its layers."""
    leaves = [leaf for part in parts for leaf in (part.leaves() if isinstance(part, BlockPart) else [part])]
    return tuple(leaves) if len(leaves) <= FLAT else parts


def _gathered(parts: tuple[Part, ...], ids: Sequence[str]) -> tuple[Part, ...]:
    """Group parts in runs, until every block has at most `MOST` parts."""
    inner = tuple(BlockPart(p.path, _gathered(p.parts, ids)) if isinstance(p, BlockPart) else p for p in parts)
    while len(inner) > MOST:
        length = ceil(len(inner) / ceil(len(inner) / MOST))
        runs = [inner[at : at + length] for at in range(0, len(inner), length)]
        inner = tuple(_run(run, ids) for run in runs)
    return inner


def _run(parts: tuple[Part, ...], ids: Sequence[str]) -> Part:
    if len(parts) == 1:
        return parts[0]
    first, last = (part.path if isinstance(part, BlockPart) else ids[part.main] for part in (parts[0], parts[-1]))
    first, last = first.split(" … ")[0], last.split(" … ")[-1]
    return BlockPart(f"{first} … {last}", parts)
