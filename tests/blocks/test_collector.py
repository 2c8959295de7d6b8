"""The garbage collector rests while a network is laid out and read, and then runs as before."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fieldspec.analysis import report_of
from fieldspec.blocks import Chain, LayerGraph, MergeError, ShapeError, chain, conv, parallel_add
from fieldspec.blocks.collector import collector_paused


def bare(**settings: Any) -> Chain:
    """A convolution of four channels to four."""
    return conv(4, out_channels=4, norm="none", act="none", **settings)


@contextmanager
def collections() -> Iterator[list[int]]:
    """The generations that the collector searches inside."""
    searched: list[int] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            searched.append(info["generation"])

    gc.callbacks.append(note)
    try:
        yield searched
    finally:
        gc.callbacks.remove(note)


def test_no_collection_while_a_network_is_laid_out_and_read() -> None:
    """Ten objects a layer that all stay: old generations are never searched for cycles."""
    block = Chain(tuple((f"conv{number}", bare().children[0][1]) for number in range(5_000)))
    with collections() as searched:
        report = report_of(LayerGraph.of(block, (4, 8, 8)))
    assert len(report.layers) == 5_001
    assert len(searched) <= 4  # once after each of the two, and what this test makes


def test_the_collector_runs_again_after_an_error() -> None:
    """A map that a window does not fit on, and maps that are not aligned."""
    with pytest.raises(ShapeError, match="needs at least"):
        LayerGraph.of(bare(kernel_size=9, padding=0), (4, 8, 8))
    assert gc.isenabled()
    doubled = chain(bare(kernel_size=1, stride=2), bare(kernel_size=1))
    graph = LayerGraph.of(parallel_add(left=doubled, right=bare(kernel_size=2, padding=0, dilation=4)), (4, 8, 8))
    with pytest.raises(MergeError, match="different jumps"):
        report_of(graph)
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """Whoever turned it off turns it on again."""
    gc.disable()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
