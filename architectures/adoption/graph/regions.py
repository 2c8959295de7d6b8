"""Series and branches found in a network: whatever has one entry and one exit becomes one, the rest stays a graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from fieldspec.architectures.adoption.graph.parts import Fork, Leaf, Series, vertices_in
from fieldspec.architectures.adoption.graph.plan import Vertex, Vertices
from fieldspec.blocks.layers import Add, Concat, ConvTranspose, DepthToSpace, Merge, Resize


@dataclass(eq=False, slots=True)
class Region:
    """A series of the trunk, behind a merge of several others or behind one."""

    inputs: list[Region] = field(repr=False)
    series: Series
    end: Vertex  # whose output is its own
    merge: Vertex | None = None  # where several inputs meet

    @property
    def at(self) -> float:
        """When its first layer runs."""
        return self.merge.at if self.merge is not None else min(vertex.at for vertex in vertices_in(self.series))


@dataclass(eq=False, slots=True)
class Regions:
    """The regions of a network, in the order in which they run; the first is the input, which holds no layers."""

    regions: list[Region]
    output: Region


def regions_of(plan: Vertices) -> Regions:
    """A network as few regions: one where it is all series and branches."""
    made: dict[int, Region] = {id(plan.input): Region([], (), plan.input)}
    for vertex in plan.vertices()[1:]:
        inputs = [made[id(source)] for source in vertex.inputs]
        if isinstance(vertex.layer, Merge):
            made[id(vertex)] = Region(inputs, (), vertex, vertex)
        else:
            made[id(vertex)] = Region(inputs, (Leaf(vertex),), vertex)
    return _Reduction(list(made.values()), made[id(plan.input)], made[id(plan.output)]).reduced()


class _Reduction:
    """Joins series and branches until none is left."""

    def __init__(self, regions: list[Region], start: Region, output: Region) -> None:
        self.regions, self.start, self.output = regions, start, output
        self.readers: dict[int, list[Region]] = {id(region): [] for region in regions}
        for region in regions:
            for source in region.inputs:
                self.readers[id(source)].append(region)

    def reduced(self) -> Regions:
        """What is left; every join makes one region fewer."""
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
        """A region joined to the only one that it reads, if that has no other reader."""
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
        """A merge whose operands are branches of one region, as a part of a series behind that."""
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
    """Whether a merge reads better with `from`: an identity around a smaller map and the way back up, as in a U-Net."""
    if not isinstance(merge.layer, Add | Concat) or () not in branches:
        return False
    up = (Resize, ConvTranspose, DepthToSpace)
    return any(isinstance(vertex.layer, up) for branch in branches for vertex in vertices_in(branch))
