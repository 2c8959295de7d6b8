"""The report of one layer."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fieldspec.analysis.fields.receptive_fields import Field, Status
from fieldspec.analysis.fields.windows import Number
from fieldspec.analysis.report.memory import WIDTH_OF_INDICES, dtype_bytes
from fieldspec.blocks.graph import Uncounted
from fieldspec.blocks.layers import Layer, Shape

CountStatus = Literal["exact", "at_least"]


class LayerReport(NamedTuple):
    """Costs, memory and receptive field of one layer."""

    id: str  # path of its module
    layer: Layer
    inputs: tuple[int, ...]  # indices of the layers that it reads
    shape: Shape  # of the output, without the batch
    params: int  # including frozen ones
    trainable_params: int
    buffers: int  # untrained elements of the state
    macs: int  # multiply-adds of one example
    other_ops: int  # elementary operations of one example
    live_elements: int  # elements of the activations in memory while it runs
    field: Field
    uncounted: tuple[Uncounted, ...] = ()  # operations missing from `macs`, for lack of a formula
    live_indices: int = 0  # int64 indices of max poolings in memory besides, until they are used to unpool

    def live_bytes(self, dtype: str = "float32") -> int:
        """Bytes of activations and pooling indices in memory while it runs, in eval mode."""
        return self.live_elements * dtype_bytes(dtype) + self.live_indices * WIDTH_OF_INDICES

    @property
    def macs_status(self) -> CountStatus:
        """`exact`, or `at_least` if the multiply-adds of some operation are unknown."""
        return "at_least" if self.uncounted else "exact"

    @property
    def kind(self) -> str:
        """Torch's name of the operation, in snake case."""
        return self.layer.kind

    @property
    def receptive_field(self) -> tuple[int, ...]:
        """Largest window of an interior unit, in pixels per axis, not clipped at the padding; () if unknown."""
        return self.field.size

    @property
    def jump(self) -> tuple[Number, ...]:
        """Input pixels between neighboring units."""
        return self.field.jump

    @property
    def start(self) -> tuple[int, ...]:
        """First pixel of unit 0's window; negative with padding."""
        return self.field.start

    @property
    def center(self) -> tuple[Number, ...]:
        """Middle of unit 0's window; a Fraction between pixels."""
        return self.field.center

    @property
    def pixels_read(self) -> tuple[int, ...]:
        """Pixels of the window that are actually read; fewer than `receptive_field` if there are holes."""
        return self.field.pixels_read

    @property
    def phases(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """(start, size) of each unit of one period, per axis; several if units differ, as after resizing."""
        return tuple(tuple((window.first, window.size) for window in axis.windows) for axis in self.field.axes)

    @property
    def status(self) -> Status:
        """`exact`, `whole_input`, `bound` or `unknown`."""
        return self.field.status

    @property
    def global_since(self) -> str | None:
        """Id of the first global operation so far, if any: from there on, a unit sees more than its window."""
        return self.field.global_since

    @property
    def is_proven(self) -> bool:
        """Whether the numbers of the field are proven (for `whole_input`, those of the local field)."""
        return self.status in ("exact", "whole_input")
