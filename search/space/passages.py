"""Passages: the effect of one part of a network on the interface before it, and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fieldspec.analysis.fields.channel_fields import Field
from fieldspec.analysis.fields.receptive_fields import receptive_field
from fieldspec.analysis.fields.windows import PIXEL, AxisField, Window
from fieldspec.analysis.latency.profile import MachineProfile
from fieldspec.analysis.promise.narrowest import narrowest_channels
from fieldspec.analysis.promise.widths import widest_ways
from fieldspec.analysis.report.layer_properties import behind_depthwise, properties
from fieldspec.blocks.errors import MergeError
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Conv, Shape
from fieldspec.search.space.interfaces import Interface, is_plain, is_proven, normalized, scaled
from fieldspec.search.space.measures import DIRECTIONS, NARROWS, ON_THE_WAY, Column, costs_of, costs_of_way

POINT = AxisField(1, 1, (Window(0, 0),))


class Passage(NamedTuple):
    """The interface after a part, and the cost in each column."""

    behind: Interface
    costs: tuple[int, ...]


class Alternative:
    """One alternative of a part, laid out on one shape, and evaluated for the interfaces of that shape."""

    def __init__(
        self,
        graph: LayerGraph,
        columns: Sequence[Column],
        bits: Mapping[str, int],
        profile: MachineProfile | None = None,
    ) -> None:
        self.graph, self.columns, self.bits = graph, columns, bits
        self.costs = costs_of(graph, columns, profile)
        self.shape: Shape = graph.nodes[graph.output].shape
        self._ways: dict[int, dict[str, int]] = {}
        self._plain = self._from_a_point()
        self._bits = self._properties() if bits else (0, 0)
        self._behind_depthwise = behind_depthwise(graph.output, graph) if "depthwise_separable" in bits else False

    def passage(self, before: Interface) -> Passage | None:
        """The passage from an interface; None if maps of different jumps are merged."""
        found = self._field(before)
        if found is None:
            return None
        field, features, wider, at = found
        flag = before.behind_depthwise if self._behind_depthwise is None else self._behind_depthwise
        known = before.properties | self._bits[before.behind_depthwise]
        own = self.costs if at is None else self.costs | self._of_the_way(at)
        costs = [
            wider[column.axis] if column.axis is not None and wider else own.get(column.cost, 0)
            for column in self.columns
        ]
        return Passage(Interface(self.shape, field, features, known, flag), tuple(costs))

    def _of_the_way(self, at: int) -> dict[str, int]:
        """The part's contributions, up to node `at`, to the measures of the path to the last map, if any is needed."""
        if at not in self._ways:
            asked = {column.measure for column in self.columns} & {*ON_THE_WAY, *NARROWS, *DIRECTIONS}
            narrowest = narrowest_channels(self.graph, at) if asked else None
            self._ways[at] = costs_of_way(widest_ways(self.graph)[at], narrowest) if asked else {}
        return self._ways[at]

    # -- the field -------------------------------------------------------------------------------------------

    def _field(
        self, before: Interface
    ) -> tuple[Field | None, tuple[bool, tuple[int, ...]] | None, tuple[int, ...], int | None] | None:
        """The form after the part, the features if inside it, the growth of the windows, and the features' node."""
        if before.field is None:
            return None, before.features, (), None
        jumps = tuple([axis.advance for axis in before.field.axes])
        if self._plain is not None and _is_point(before.field):
            at, form, by = self._plain
            form, by = scaled(form, jumps), tuple([pixels * jump for pixels, jump in zip(by, jumps, strict=True)])
        else:
            read = self._read(before.field)
            if read is None:
                return None
            at, form, by = read
        if form.has_position and at == self.graph.output:
            return form, None, by, at
        wider = tuple([pixels + size - 1 for pixels, size in zip(by, form.size, strict=True)])
        return None, (is_proven(form), self.graph.nodes[at].shape), wider, at

    def _from_a_point(self) -> tuple[int, Field, tuple[int, ...]] | None:
        """The features' node, form and growth for an input jump of one pixel; None unless the field scales with it."""
        shape = self.graph.nodes[0].shape
        if len(shape) < 2:
            return None
        read = self._read(Field((PIXEL,) * (len(shape) - 1)))
        return read if read is not None and is_plain(read[1]) else None

    def _read(self, source: Field) -> tuple[int, Field, tuple[int, ...]] | None:
        try:
            fields = receptive_field(self.graph, source)
        except MergeError:
            return None
        at = self.graph.output
        while not fields[at].has_position and self.graph.nodes[at].inputs:
            at = self.graph.nodes[at].inputs[0]
        form, wider = normalized(fields[at])
        return at, form, wider

    # -- properties ------------------------------------------------------------------------------------------

    def _properties(self) -> tuple[int, int]:
        """Bits of the part's properties, without and with a depthwise convolution before it."""
        found = properties(self.graph)
        known = sum(bit for name, bit in self.bits.items() if name in found)
        joint = self.bits.get("depthwise_separable", 0)
        if joint & ~known and any(self._mixes_first(index) for index in range(len(self.graph.nodes))):
            return known, known | joint
        return known, known

    def _mixes_first(self, index: int) -> bool:
        """Whether a node is an ungrouped 1x1 convolution that may follow a depthwise one of an earlier part."""
        node = self.graph.nodes[index]
        conv = node.layer
        if not isinstance(conv, Conv) or max(conv.kernel_size, default=1) > 1 or conv.groups > 1:
            return False
        return behind_depthwise(node.inputs[0], self.graph) is None


def _is_point(field: Field) -> bool:
    return is_plain(field) and field.status == "exact" and all(axis.windows[0] == Window(0, 0) for axis in field.axes)
