"""Ids of items: the paths of the network's modules, if valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from fieldspec.architectures.adoption.graph.parts import Series, vertices_in
from fieldspec.architectures.adoption.graph.plan import Vertices
from fieldspec.architectures.expansion.items import RESERVED_IDS, TOP_ID
from fieldspec.blocks.layers import Activation, Dropout, Normalization


class Paths:
    """Number of layers in each module of a network."""

    def __init__(self, plan: Vertices) -> None:
        self.classes = plan.classes
        self.counts = Counter(path for vertex in plan.vertices() for path in _and_above(vertex.path))

    def of(self, series: Series) -> str:
        """Path of the module that holds exactly the layers of a series, or of its only convolution; else empty."""
        vertices = list(vertices_in(series))
        together = common(vertex.path for vertex in vertices)
        if together and self.counts[together] == len(vertices):
            return together
        main = [one.path for one in vertices if not isinstance(one.layer, Normalization | Activation | Dropout)]
        return main[0] if len(main) == 1 else ""

    def id_of(self, copies: tuple[Series, ...]) -> str:
        """Id of an item: its module's path; for copies, that of the module that holds them as 0, 1, 2.

        Empty if that is invalid.
        """
        paths = [self.of(series) for series in copies]
        if len(paths) == 1:
            return paths[0] if is_legal(paths[0]) else ""
        stem, _, _ = paths[0].rpartition(".")
        numbered = paths == [f"{stem}.{number}" for number in range(len(paths))]
        return stem if numbered and is_legal(stem) and "." not in stem else ""


def _and_above(path: str) -> list[str]:
    """A path and those of all enclosing modules."""
    steps = path.split(".")
    return [".".join(steps[:count]) for count in range(1, len(steps) + 1)]


def common(paths: Iterable[str]) -> str:
    """The longest common prefix of paths.

    Example:
        >>> common(["layer1.0.conv1", "layer1.0.bn1"]), common(["stem", "stem"])
        ('layer1.0', 'stem')
    """
    split = [path.split(".") for path in paths]
    shared = []
    for steps in zip(*split, strict=False):
        if len(set(steps)) > 1:
            break
        shared.append(steps[0])
    return ".".join(shared)


def is_legal(name: str) -> bool:
    """Whether an item may have this id."""
    return TOP_ID.fullmatch(name) is not None and name.split(".")[0] not in RESERVED_IDS


def made_legal(name: str) -> str:
    """A valid id derived from a path: `layer1_0_conv1`."""
    plain = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    return plain if is_legal(plain) else f"n_{plain}"
