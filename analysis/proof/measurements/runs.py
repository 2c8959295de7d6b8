"""Measurements of a whole network and each of its layers, each run once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from torch import nn

from fieldspec.analysis.proof.measurements.counts import measure_macs_and_status
from fieldspec.analysis.proof.measurements.memory import measure_live_bytes
from fieldspec.analysis.proof.measurements.submodules import Shapes

T = TypeVar("T")


class Runs:
    """Measurements of one network, made when first asked for.

    Args:
        module: The network.
        shape: Shape of its input, or of each.
        values: Run on the module's device instead of without values.
        partly: The network needs values, and is measured up to there.
    """

    def __init__(self, module: nn.Module, shape: Shapes, *, values: bool, partly: bool) -> None:
        self.macs = _once(partial(measure_macs_and_status, module, shape, partly=partly))
        self.peak = _once(partial(measure_live_bytes, module, shape, values=values))
        self.live = self.peak  # of layers; without values, memory is known of modules but not of functions
        if not values:
            self.live = _once(partial(measure_live_bytes, module, shape, functions=False))


def _once(measure: Callable[[], T]) -> Callable[[], T]:
    """A function that measures at its first call; later calls return the same result or raise the same error."""
    results: list[T] = []
    errors: list[Exception] = []

    def measured() -> T:
        if not results and not errors:
            try:
                results.append(measure())
            except Exception as error:  # measuring runs arbitrary code of torch and the module
                errors.append(error)
        if errors:
            raise errors[0]
        return results[0]

    return measured
