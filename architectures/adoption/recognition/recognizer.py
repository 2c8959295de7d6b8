"""Finds the shortest items for a series: all candidates are tried, built and compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Fork, Series, form_of
from fieldspec.architectures.adoption.graph.plan import Vertex
from fieldspec.architectures.adoption.recognition.attention import squeeze_excites
from fieldspec.architectures.adoption.recognition.branches import denses, shares
from fieldspec.architectures.adoption.recognition.cost import cost
from fieldspec.architectures.adoption.recognition.groups import ORDERS, convolution, group_at
from fieldspec.architectures.adoption.recognition.repeats import Written, repeated
from fieldspec.architectures.adoption.recognition.residuals import inverted, residuals, separables, with_bodies
from fieldspec.architectures.adoption.recognition.singles import single
from fieldspec.architectures.adoption.recognition.trial import ItemData, Proposal, Trial
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.settings import made_for

Ways = list[tuple[int, tuple[Written, ...]] | None]


def padded_alike(proposals: Iterator[Proposal]) -> Iterator[Proposal]:
    """Propose TensorFlow's padding first if padding is asymmetric, since that is its likely origin."""
    for count, item in proposals:
        ((kind, settings),) = item.items()
        if isinstance(settings.get("padding"), list):
            yield count, {kind: {**settings, "padding": "tf"}}
        yield count, item


class Recognizer:
    """Finds items for series, given the defaults of one spec."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.stuck: list[Vertex] = []  # vertices that no item matches
        self._bodies: dict[tuple[Any, Shape], list[ItemData] | None] = {}

    def written(self, series: Series, shape: Shape) -> list[Written] | None:
        """Items for a series on a map of this shape, with copies merged; None if a part has none."""
        ways: Ways = [(0, ()), *[None] * len(series)]
        before = [shape, *[part.shape for part in series]]
        for at, part in enumerate(series):
            way = ways[at]
            if way is None:
                continue
            with made_for(before[at]):
                proposals = list(self._valid(series, at, before[at]))
            if not proposals:
                self.stuck.append(part.vertex)
            for count, item in proposals:
                whole, best = way[0] + cost(item), ways[at + count]
                if best is None or whole < best[0]:
                    ways[at + count] = (whole, (*way[1], Written(item, (series[at : at + count],), before[at])))
        end = ways[-1]
        return None if end is None else repeated(end[1], self.trial)

    def items(self, series: Series, shape: Shape) -> list[ItemData] | None:
        """Items for a body, without their positions."""
        key = (form_of(series), shape)
        if key not in self._bodies:
            written = self.written(series, shape)
            self._bodies[key] = None if written is None else [one.item for one in written]
        return self._bodies[key]

    def _valid(self, series: Series, at: int, shape: Shape) -> Iterator[Proposal]:
        """The proposals that build what they stand for, the first of each kind; general ones only if no block fits."""
        found: set[tuple[int, str]] = set()
        for propose in (self._blocks, self._general):
            for count, item in padded_alike(propose(series, at, shape)):
                key = count, next(iter(item))
                shortest = None
                if key not in found:
                    shortest = self.trial.shortest(item, shape, form_of(series[at : at + count]))
                if shortest is not None:
                    found.add(key)
                    yield count, shortest
            if found:
                return

    def _blocks(self, series: Series, at: int, shape: Shape) -> Iterator[Proposal]:
        """Proposals of blocks from the library."""
        for proposals in (inverted, residuals, squeeze_excites, denses, separables):
            yield from proposals(series, at, shape[0])

    def _general(self, series: Series, at: int, shape: Shape) -> Iterator[Proposal]:
        """Proposals of convolutions, single layers, blocks with bodies, and branches."""
        part = series[at]
        if isinstance(part, Fork):
            yield from self._with_bodies(series, at, shape)
            yield from self._branches(part, shape)
            return
        for order in ORDERS:
            group = group_at(series, at, order)
            if group is not None:
                yield group.end - at, convolution(group)
        item = single(part.layer)
        if item is not None:
            yield 1, item

    def _with_bodies(self, series: Series, at: int, shape: Shape) -> Iterator[Proposal]:
        for count, body, around, settings in with_bodies(series, at):
            items = self.items(body, shape)
            if items is None:
                continue
            shortcuts: list[Any] = ["auto", "projection", "pad"] if around else ["auto", "identity"]
            if around:
                shortcuts.append(self.items(around, shape))
            for shortcut in shortcuts:
                yield count, {"residual": {"body": items, "shortcut": shortcut, **settings}}

    def _branches(self, part: Fork, shape: Shape) -> Iterator[Proposal]:
        shared = shares(part)
        branches, width = (part.branches, shape[0]) if shared is None else (shared, shape[0] // len(shared))
        items = [self.items(branch, (width, *shape[1:])) for branch in branches]
        if None not in items:
            split = {} if shared is None else {"split": True}
            yield 1, {"parallel": {"merge": part.merge.kind, **split, "branches": items}}

    def why(self, vertex: Vertex) -> str:
        """Why no item matches a layer."""
        item = single(vertex.layer)
        return "cannot be expressed in a spec" if item is None else self.trial.why(item, vertex.inputs[0].shape)
