"""The numbers of one layer."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fieldspec.analysis.fields.receptive_fields import Field, Status
from fieldspec.analysis.fields.windows import Number
from fieldspec.blocks.graph import Uncounted
from fieldspec.blocks.layers import Layer, Shape

CountStatus = Literal["exact", "at_least"]


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
