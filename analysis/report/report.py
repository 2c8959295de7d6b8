"""The report of a network: cost and field of every layer, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fieldspec.analysis.fields.alignment import Misalignment, misalignments
from fieldspec.analysis.fields.receptive_fields import Field, Status, receptive_field
from fieldspec.analysis.fields.windows import Number
from fieldspec.analysis.report.layer_properties import properties
from fieldspec.analysis.report.levels import known_ends, levels_of
from fieldspec.analysis.report.memory import activations, dtype_bytes, saved_bytes
from fieldspec.analysis.report.pictured import Pictured
from fieldspec.blocks.collector import collector_paused
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph, Stop, Uncounted
from fieldspec.blocks.layers import BatchNorm, Layer, Shape
from fieldspec.blocks.suggestions import did_you_mean

if TYPE_CHECKING:
    from rich.table import Table


CountStatus = Literal["exact", "at_least"]
Totals = tuple[int, int, int, int, int]  # parameters, those that train, buffers, multiply-adds, other operations


class LayerReport(NamedTuple):
    """The numbers of one layer."""

    id: str  # the path of its module
    layer: Layer
    inputs: tuple[int, ...]  # indices of the layers that it reads
    shape: Shape  # of its output, without the batch
    params: int  # frozen or not
    trainable_params: int
    buffers: int  # elements of state that are not trained
    macs: int  # multiply-adds of one example
    other_ops: int  # elementary operations of one example
    live_elements: int  # elements of activations alive while it runs
    field: Field
    uncounted: tuple[Uncounted, ...] = ()  # operations that `macs` leaves out, as no formula is known for them

    @property
    def macs_status(self) -> CountStatus:
        """`exact`, or `at_least` where the multiply-adds of an operation are not known."""
        return "at_least" if self.uncounted else "exact"

    @property
    def kind(self) -> str:
        """Torch's name of the operation, in snake case."""
        return self.layer.kind

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """The largest window of an interior unit, in pixels per axis, padding not clipped; () when unknown."""
        return self.field.size

    @property
    def jump(self) -> tuple[Number, ...]:
        """Input pixels between neighboring units."""
        return self.field.jump

    @property
    def start(self) -> tuple[int, ...]:
        """The pixel where unit 0's window begins; padding makes it negative."""
        return self.field.start

    @property
    def center(self) -> tuple[Number, ...]:
        """The middle of unit 0's window; a Fraction where it lies between pixels."""
        return self.field.center

    @property
    def pixels_read(self) -> tuple[int, ...]:
        """Pixels of the window that are read at all; fewer than `receptive_field` where there are holes."""
        return self.field.pixels_read

    @property
    def phases(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """(start, size) of each unit of one period, per axis; several where units differ, as after resizing."""
        return tuple(tuple((window.first, window.size) for window in axis.windows) for axis in self.field.axes)

    @property
    def status(self) -> Status:
        """`exact`, `whole_input`, `bound` or `unknown`."""
        return self.field.status

    @property
    def global_since(self) -> str | None:
        """The id of the first global operation so far, if any: from there on a unit sees more than its window."""
        return self.field.global_since

    @property
    def is_proven(self) -> bool:
        """Whether the numbers of the field are proven (for `whole_input`, those of the local field)."""
        return self.status in ("exact", "whole_input")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of activations of one example."""

    peak: int  # the most that is alive at one time in eval mode
    peak_layer: str  # where
    saved: int | None  # what autograd keeps for the backward pass in train mode; None where it is not known


@dataclass(frozen=True)
class Report(Pictured):
    """What a network costs and sees; numbers are for one example in eval mode.

    Example:
        >>> from fieldspec.blocks import conv
        >>> report = report_of(LayerGraph.of(conv(3, out_channels=8, stride=2), (3, 32, 32)), "stem")
        >>> report.params, report.macs, report.features.receptive_field       # 3*8*9 + 16, 16*16*8*27
        (232, 55296, (3, 3))
    """

    name: str
    graph: LayerGraph = field(repr=False)
    layers: tuple[LayerReport, ...] = field(repr=False)
    params: int
    trainable_params: int
    buffers: int
    macs: int
    other_ops: int
    features: LayerReport = field(repr=False)  # the last map whose units have a position
    pooled: LayerReport | None = field(repr=False)  # the pooling or flattening after it
    peak: int = field(repr=False)  # elements of activations
    peak_layer: str = field(repr=False)
    module_outputs: Mapping[str, int] = field(
        repr=False, default_factory=dict
    )  # of a module: what each call in it returned
    unread: tuple[str, ...] = field(repr=False, default=())  # of a module: weights that nothing read, not counted
    fixed_width: tuple[int, int] = field(
        repr=False, default=(0, 0)
    )  # elements of state that are not real floats, their bytes
    latency_ms: float | None = field(repr=False, default=None)  # as a machine's profile predicts it
    latency_by: str = field(repr=False, default="")  # which profile, or why it has no number; nothing without one

    @cached_property
    def input(self) -> Shape:
        """(channels, height, width); of several inputs the first of most axes, in whose pixels fields are."""
        return self.layers[self.graph.image].shape

    @property
    def output(self) -> LayerReport:
        """The last layer."""
        return self.layers[self.graph.output]

    def __getitem__(self, id: str) -> LayerReport:
        """The layer with this id, the path of its module; for a module with submodules, the layer that it returns."""
        return self._by_id[id] if id in self._by_id else self.layers[self.module_outputs[id]]

    def find(self, id: str) -> LayerReport:
        """The layer with this id, as `report[id]`.

        Raises:
            FieldspecError: There is no such layer; the message names the closest.
        """
        try:
            return self[id]
        except KeyError:
            known = [*self.module_outputs, *self._by_id]
            raise FieldspecError(f"no layer {id!r}.{did_you_mean(id, known)}".removesuffix(".")) from None

    def index(self, layer: LayerReport) -> int:
        """The index of a layer in `layers`."""
        return next(index for index, one in enumerate(self.layers) if one is layer)

    def __iter__(self) -> Iterator[LayerReport]:
        return iter(self.layers)

    @cached_property
    def _by_id(self) -> dict[str, LayerReport]:
        return {layer.id: layer for layer in self.layers}

    @property
    def stop(self) -> Stop | None:
        """Of a module whose operations depend on values, where it could not be followed further, and what lies behind.

        `params` and `buffers` are all of the module's; everything else is of what comes before.
        """
        return self.graph.stop

    @cached_property
    def levels(self) -> tuple[LayerReport, ...]:
        """Of a network that ends with maps of several sizes, each of them, finest first; () of one that does not."""
        return levels_of(self)

    @cached_property
    def properties(self) -> dict[str, tuple[str, ...]]:
        """The properties of the network with the ids of their layers: the words of `uses` and `forbids`."""
        return properties(self.graph)

    @cached_property
    def misalignments(self) -> list[Misalignment]:
        """Merges whose operands look at different positions, with the padding that would align them."""
        return misalignments(self.graph, [layer.field for layer in self.layers])

    @cached_property
    def uncounted(self) -> tuple[tuple[str, Uncounted], ...]:
        """The operations that `macs` leaves out, each with the id of its layer: no formula is known for them, or
        nothing is from there on (`stop`).
        """
        found = [(layer.id, operation) for layer in self.layers for operation in layer.uncounted]
        return tuple(found if self.stop is None else [*found, (self.stop.module, self.stop.operation)])

    @property
    def macs_status(self) -> CountStatus:
        """`exact`, or `at_least` where the multiply-adds of an operation are not known: see `uncounted`."""
        return "at_least" if self.uncounted else "exact"

    def weight_bytes(self, dtype: str = "float32") -> int:
        """Bytes of parameters and buffers; integers, such as counters, and complex numbers keep their own width.

        Raises:
            FieldspecError: Torch has no such dtype; names the nearest.
        """
        elements, bytes_kept = self.fixed_width
        return (self.params + self.buffers - elements) * dtype_bytes(dtype) + bytes_kept

    def peak_bytes(self, dtype: str = "float32") -> int:
        """The largest number of bytes of activations alive at one time in eval mode."""
        return self.peak * dtype_bytes(dtype)

    def memory(self, dtype: str = "float32") -> Memory:
        """Activation memory of inference and of training, in bytes."""
        saved = saved_bytes(self.graph, dtype) if self.stop is None else None
        return Memory(self.peak_bytes(dtype), self.peak_layer, saved)

    def to_markdown(self, *, all_layers: bool = False) -> str:
        """A table with one row for each convolution, pooling, linear layer and merge, or for all layers."""
        from fieldspec.analysis.report.tables import markdown

        return markdown(self, all_layers=all_layers)

    def to_csv(self) -> str:
        """One line per layer with a column per axis, for a spreadsheet."""
        from fieldspec.analysis.report.tables import csv_text

        return csv_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number; fractions as text."""
        from fieldspec.analysis.report.plain_data import plain_data

        return plain_data(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """The same as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent)

    def to_text(self, *, all_layers: bool = False) -> str:
        """The same table as plain text, with the totals below it."""
        from fieldspec.analysis.report.tables import text

        return text(self, all_layers=all_layers)

    def to_table(self, *, all_layers: bool = False) -> Table:
        """The same as `to_markdown`, as a table of rich."""
        from fieldspec.analysis.report.tables import rich_table

        return rich_table(self, all_layers=all_layers)


def report_of(
    graph: LayerGraph,
    name: str = "network",
    *,
    fields: list[Field] | None = None,
    module_outputs: Mapping[str, int] | None = None,
    unread: tuple[str, ...] = (),
    fixed_width: tuple[int, int] | None = None,
) -> Report:
    """The report of a layer graph.

    Args:
        graph: Of a spec, or of a traced module.
        name: Of the network.
        fields: Of each node, if they are already known.
        module_outputs: Of a traced module, the layer that each submodule returned.
        unread: Of a traced module, the weights that nothing reads.
        fixed_width: Elements of state that are not real floats, and their bytes; one int64 a batch norm unless given.

    Raises:
        MergeError: Maps of equal shape but different jumps meet.
    """
    with collector_paused():
        read = receptive_field(graph) if fields is None else fields
        memory = activations(graph)
        layers, totals = _layers(graph, read, memory.live)
    if graph.stop is not None:
        (params, trainable, buffers, macs, ops), stop = totals, graph.stop
        totals = (params + stop.params, trainable + stop.trainable_params, buffers + stop.buffers, macs, ops)
    features, pooled = _features(layers, graph)
    counters = sum([isinstance(node.layer, BatchNorm) for node in graph.nodes])
    return Report(
        name,
        graph,
        tuple(layers),
        *totals,
        features,
        pooled,
        memory.peak,
        graph.nodes[memory.peak_node].id,
        dict(module_outputs or {}),
        unread,
        fixed_width if fixed_width is not None else (counters, 8 * counters),
    )


def _layers(graph: LayerGraph, fields: list[Field], live: list[int]) -> tuple[list[LayerReport], Totals]:
    """The numbers of each layer, and the total costs."""
    nodes = graph.nodes
    layers: list[LayerReport] = []
    total_params = total_trainable = total_buffers = total_macs = total_ops = 0
    for node, node_field, alive in zip(nodes, fields, live, strict=True):
        layer, shape = node.layer, node.shape
        inputs = [nodes[i].shape for i in node.inputs]
        params = layer.params if node.params is None else node.params
        trainable = params if node.trainable_params is None else node.trainable_params
        buffers = layer.buffers if node.buffers is None else node.buffers
        macs, other_ops = layer.macs(inputs, shape) + node.weight_macs, layer.other_ops(inputs, shape)
        total_params += params
        total_trainable += trainable
        total_buffers += buffers
        total_macs += macs
        total_ops += other_ops
        layers.append(
            LayerReport(
                *(node.id, layer, node.inputs, shape, params, trainable, buffers, macs, other_ops, alive, node_field),
                node.uncounted,
            )
        )
    return layers, (total_params, total_trainable, total_buffers, total_macs, total_ops)


def _features(layers: list[LayerReport], graph: LayerGraph) -> tuple[LayerReport, LayerReport | None]:
    """The last map on the main path whose units have a position, and the first layer after it without.

    Where a module could not be followed to its end, of the last maps that are known the one that sees most.
    """
    if graph.stop is not None and (ends := known_ends(layers, graph)):
        return max([layers[end] for end in ends], key=lambda layer: layer.receptive_field), None
    at, pooled = layers[graph.output], None
    while not at.field.has_position and at.inputs:
        at, pooled = layers[at.inputs[0]], at
    return at, pooled
