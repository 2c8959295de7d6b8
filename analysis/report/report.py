"""The report of a network: cost and field of every layer, and the totals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fieldspec.analysis.fields.alignment import Misalignment, misalignments
from fieldspec.analysis.report.layer_properties import properties
from fieldspec.analysis.report.layer_report import CountStatus, LayerReport
from fieldspec.analysis.report.levels import levels_of
from fieldspec.analysis.report.memory import dtype_bytes, saved_bytes
from fieldspec.analysis.report.pictured import Pictured
from fieldspec.analysis.report.returned_tensor import ReturnedTensor
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph, Stop, Uncounted
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.suggestions import did_you_mean

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Memory:
    """Activation memory for one example, in bytes."""

    peak: int  # the most in memory at one time in eval mode
    peak_layer: str  # the layer at which it is reached
    saved: int | None  # what autograd keeps for the backward pass in train mode; None if unknown


@dataclass(frozen=True)
class Report(Pictured):
    """Costs and receptive fields of a network; numbers are for one example in eval mode.

    Example:
        >>> from fieldspec.analysis.report.reading import report_of
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
    )  # for a module: the layer that each submodule returned
    returned: Mapping[str, ReturnedTensor] = field(
        repr=False, default_factory=dict
    )  # for a module: the layout of each tensor that a submodule returned
    unread: tuple[str, ...] = field(repr=False, default=())  # for a module: weights that nothing reads; not counted
    unread_params: int = field(repr=False, default=0)  # parameters in these
    fixed_width: tuple[int, int] = field(
        repr=False, default=(0, 0)
    )  # number of state elements that are not real floats, and their bytes
    latency_ms: float | None = field(repr=False, default=None)  # as predicted from a machine's profile
    latency_by: str = field(repr=False, default="")  # the profile's name, or why it gives no number

    @cached_property
    def input(self) -> Shape:
        """Shape (channels, height, width) of the image: of several inputs, the first with the most axes."""
        return self.layers[self.graph.image].shape

    @property
    def output(self) -> LayerReport:
        """The last layer."""
        return self.layers[self.graph.output]

    def __getitem__(self, id: str) -> LayerReport:
        """The layer with this id, the path of its module; for a module with submodules, the layer that it returns."""
        if id in self._by_id:
            return self._by_id[id]
        if id in self.module_outputs:
            return self.layers[self.module_outputs[id]]
        raise KeyError(f"no layer {id!r}.{did_you_mean(id, [*self.module_outputs, *self._by_id])}".removesuffix("."))

    def find(self, id: str) -> LayerReport:
        """Like `report[id]`, with a helpful error.

        Raises:
            FieldspecError: There is no such layer; the message suggests the closest id.
        """
        try:
            return self[id]
        except KeyError as error:
            raise FieldspecError(error.args[0]) from None

    def index(self, layer: LayerReport) -> int:
        """Index of a layer in `layers`."""
        return next(index for index, one in enumerate(self.layers) if one is layer)

    def __iter__(self) -> Iterator[LayerReport]:
        return iter(self.layers)

    @cached_property
    def _by_id(self) -> dict[str, LayerReport]:
        return {layer.id: layer for layer in self.layers}

    @property
    def stop(self) -> Stop | None:
        """Where tracing ended because a result depends on tensor values, and what was not reached; None if complete.

        `params` and `buffers` cover the whole module; all other numbers cover only what comes before.
        """
        return self.graph.stop

    @cached_property
    def levels(self) -> tuple[LayerReport, ...]:
        """For a network with output maps of several sizes, those maps, finest first; otherwise ()."""
        return levels_of(self)

    @cached_property
    def properties(self) -> dict[str, tuple[str, ...]]:
        """Properties of the network with the ids of their layers: the words of `uses` and `forbids`."""
        return properties(self.graph)

    @cached_property
    def misalignments(self) -> list[Misalignment]:
        """Merges whose operands are centered on different positions, with the padding that would align them."""
        return misalignments(self.graph, [layer.field for layer in self.layers])

    @cached_property
    def uncounted(self) -> tuple[tuple[str, Uncounted], ...]:
        """Operations missing from `macs`, each with the id of its layer: no formula is known for them, or
        tracing ended there (`stop`).
        """
        found = [(layer.id, operation) for layer in self.layers for operation in layer.uncounted]
        return tuple(found if self.stop is None else [*found, (self.stop.module, self.stop.operation)])

    @property
    def macs_status(self) -> CountStatus:
        """`exact`, or `at_least` if the multiply-adds of some operation are unknown: see `uncounted`."""
        return "at_least" if self.uncounted else "exact"

    def weight_bytes(self, dtype: str = "float32") -> int:
        """Bytes of parameters and buffers; integers, such as counters, and complex numbers keep their own width.

        Raises:
            FieldspecError: Torch has no such dtype; the message suggests the closest name.
        """
        elements, bytes_kept = self.fixed_width
        return (self.params + self.buffers - elements) * dtype_bytes(dtype) + bytes_kept

    def peak_bytes(self, dtype: str = "float32") -> int:
        """Peak bytes of activations in memory at one time in eval mode."""
        return self._peak(dtype)[0]

    def memory(self, dtype: str = "float32") -> Memory:
        """Activation memory for inference and training, in bytes."""
        saved = saved_bytes(self.graph, dtype) if self.stop is None else None
        return Memory(*self._peak(dtype), saved)

    def _peak(self, dtype: str) -> tuple[int, str]:
        """Bytes, and the layer; pooling indices have a width of their own, so that the layer depends on the dtype."""
        if not self.graph.indices:
            return self.peak * dtype_bytes(dtype), self.peak_layer
        layer = max(self.layers, key=lambda layer: layer.live_bytes(dtype))
        return layer.live_bytes(dtype), layer.id

    def to_markdown(self, *, all_layers: bool = False) -> str:
        """Markdown table with one row for each convolution, pooling, linear layer and merge, or for all layers."""
        from fieldspec.analysis.report.text.tables import markdown

        return markdown(self, all_layers=all_layers)

    def to_csv(self) -> str:
        """CSV with one line per layer and one column per axis, for spreadsheets."""
        from fieldspec.analysis.report.text.tables import csv_text

        return csv_text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data with a `schema` number; fractions as text."""
        from fieldspec.analysis.report.plain_data import plain_data

        return plain_data(self)

    def to_json(self, *, indent: int | None = 2) -> str:
        """`to_dict` as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent)

    def to_text(self, *, all_layers: bool = False) -> str:
        """The table of `to_markdown` as plain text, with the totals below it."""
        from fieldspec.analysis.report.text.tables import text

        return text(self, all_layers=all_layers)

    def __str__(self) -> str:
        return self.to_text()

    def to_table(self, *, all_layers: bool = False) -> Table:
        """The table of `to_markdown` as a rich table."""
        from fieldspec.analysis.report.text.tables import rich_table

        return rich_table(self, all_layers=all_layers)
