"""Finds series and branches in a network: parts with one entry and one exit are merged, the rest remains a graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, vertices_in
from fieldspec.architectures.adoption.graph.plan import Vertex, Vertices
from fieldspec.blocks.layers import Add, Concat, ConvTranspose, DepthToSpace, Merge, Resize


@dataclass(eq=False, slots=True)
class Region:
    """A series of the trunk, after another region or after a merge of several."""

    inputs: list[Region] = field(repr=False)
    series: Series
    end: Vertex  # the vertex with its output
    merge: Vertex | None = None  # the merge of several inputs

    @property
    def at(self) -> float:
        """Position of its first layer in execution order."""
        return self.merge.at if self.merge is not None else min(vertex.at for vertex in vertices_in(self.series))


@dataclass(eq=False, slots=True)
class Regions:
    """The regions of a network, in execution order; the first is the input and holds no layers."""

    regions: list[Region]
    output: Region


def regions_of(plan: Vertices) -> Regions:
    """Reduce a network to regions: to a single one if it consists of series and branches only."""
    made: dict[int, Region] = {id(plan.input): Region([], (), plan.input)}
    for vertex in plan.vertices()[1:]:
        inputs = [made[id(source)] for source in vertex.inputs]
        if isinstance(vertex.layer, Merge):
            made[id(vertex)] = Region(inputs, (), vertex, vertex)
        else:
            made[id(vertex)] = Region(inputs, (Leaf(vertex),), vertex)
    return _Reduction(list(made.values()), made[id(plan.input)], made[id(plan.output)]).reduced()


class _Reduction:
    """Merges series and branches until none is left."""

    def __init__(self, regions: list[Region], start: Region, output: Region) -> None:
        self.regions, self.start, self.output = regions, start, output
        self.readers: dict[int, list[Region]] = {id(region): [] for region in regions}
        for region in regions:
            for source in region.inputs:
                self.readers[id(source)].append(region)

    def reduced(self) -> Regions:
        """The remaining regions; every step merges two of them."""
        waiting = list(reversed(self.regions))
        while waiting:
            region = waiting.pop()
            if id(region) not in self.readers:
                continue
            joined = self._with_branches(region) or self._behind(region)
            if joined is not None:
                waiting += [joined, *self.readers[id(joined)]]
        left = [region for region in self.regions if id(region) in self.readers]
        return Regions(sorted(left, key=lambda one: -1 if one is self.start else one.at), self.output)

    def _behind(self, region: Region) -> Region | None:
        """Merge a region with its only input if that has no other reader."""
        if region.merge is not None or len(region.inputs) != 1:
            return None
        (source,) = region.inputs
        if source is self.start or len(self.readers[id(source)]) > 1 or source is self.output:
            return None
        source.series = (*source.series, *region.series)
        source.end = region.end
        self.readers[id(source)] = self.readers.pop(id(region))
        for reader in self.readers[id(source)]:
            reader.inputs = [source if one is region else one for one in reader.inputs]
        if self.output is region:
            self.output = source
        return source

    def _with_branches(self, region: Region) -> Region | None:
        """Merge a fork into a series, if its branches come from one region."""
        if region.merge is None:
            return None
        for source in self._sources(region):
            if all(one is source or self._is_branch(one, source, region) for one in region.inputs):
                branches = tuple(() if one is source else one.series for one in region.inputs)
                if reaches_far(region.merge, branches):
                    return None
                self._fold(region, source, branches)
                return region
        return None

    def _sources(self, region: Region) -> list[Region]:
        first = region.inputs[0]
        return [*first.inputs[:1], first] if first.merge is None else [first]

    def _is_branch(self, branch: Region, source: Region, region: Region) -> bool:
        own = branch.merge is None and branch.inputs == [source] and bool(branch.series)
        return own and self.readers[id(branch)] == [region] and branch is not self.output

    def _fold(self, region: Region, source: Region, branches: tuple[Series, ...]) -> None:
        assert region.merge is not None
        self.readers[id(source)] = [one for one in self.readers[id(source)] if one is not region]
        for branch in region.inputs:
            if branch is not source:
                del self.readers[id(branch)]
                self.readers[id(source)] = [one for one in self.readers[id(source)] if one is not branch]
        region.series = (Fork(region.merge, branches), *region.series)
        region.inputs, region.merge = [source], None
        self.readers[id(source)].append(region)


def reaches_far(merge: Vertex, branches: tuple[Series, ...]) -> bool:
    """Whether a merge is clearer with `from`: an identity around a smaller map and its upsampling, as in a U-Net."""
    if not isinstance(merge.layer, Add | Concat) or () not in branches:
        return False
    up = (Resize, ConvTranspose, DepthToSpace)
    return any(isinstance(vertex.layer, up) for branch in branches for vertex in vertices_in(branch))
