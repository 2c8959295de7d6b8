"""Memory over the execution of a network: live bytes at each layer, and what is alive at the peak."""

from __future__ import annotations

from dataclasses import dataclass

from fieldspec.analysis.inference.engine import EngineReport, engine_report
from fieldspec.analysis.inference.lowering.operators import EngineError
from fieldspec.analysis.report.memory import WIDTH_OF_INDICES, owners
from fieldspec.analysis.report.report import Report
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import numel

ELEMENT = 4  # bytes of float32


@dataclass(frozen=True, slots=True)
class Timeline:
    """Live bytes at each step, and their composition at the peak."""

    names: list[str]  # of the steps' layers
    live: list[int]
    alive: list[tuple[str, int]]  # at the peak: each live output, and its bytes

    @property
    def peak(self) -> int:
        """The first step with the most live bytes."""
        return self.live.index(max(self.live))


def eager_timeline(report: Report) -> Timeline:
    """The timeline of PyTorch in eval mode, layer by layer, in float32.

    Example:
        >>> from fieldspec.architectures.readings.reports import analyze
        >>> timeline = eager_timeline(analyze("c1c2c3c40"))
        >>> timeline.names[timeline.peak], max(timeline.live), timeline.alive[-1]
        ('inverted_residual1.body.expand.act', 1441792, ('inverted_residual1.body.expand.act', 655360))
    """
    live = [layer.live_bytes() for layer in report.layers]
    names = [layer.id for layer in report.layers]
    at = live.index(max(live))
    alive = [(names[node], ELEMENT * size) for node, size in alive_at(report.graph, at)]
    if indices := report.layers[at].live_indices:
        alive.append(("pooling indices", WIDTH_OF_INDICES * indices))
    rest = live[at] - sum(size for _, size in alive)
    return Timeline(names, live, [*alive, ("partial results", rest)] if rest > 0 else alive)


def alive_at(graph: LayerGraph, index: int) -> list[tuple[int, int]]:
    """The nodes whose outputs are in memory while a layer runs, with their elements; views are not counted again."""
    owner = owners(graph)
    last = [0] * len(owner)
    for number, node in enumerate(graph.nodes):
        for source in node.inputs:
            last[owner[source]] = number
    for number in (graph.output, *graph.kept):
        last[owner[number]] = len(owner)
    return [
        (number, numel(graph.nodes[number].shape) + graph.nodes[number].beside)
        for number in range(index + 1)
        if owner[number] == number and (last[number] >= index or number == index)
    ]


def engine_of(report: Report) -> EngineReport | str:
    """The report on LiteRT-Micro in int8, or the reason why it cannot run the network."""
    try:
        return engine_report(report.graph)
    except EngineError as error:
        return str(error).splitlines()[0]


def engine_timeline(engine: EngineReport) -> Timeline:
    """The timeline of LiteRT-Micro, operator by operator."""
    lowered, live = engine.lowered, engine.live[1:]
    names = [operator.id for operator in lowered.operators]
    step = live.index(max(live)) + 1
    makers = {operator.output: operator.id for operator in lowered.operators}
    alive = [
        (makers.get(tensor, "input" if tensor == 0 else "scratch"), buffer.size)
        for tensor, buffer in enumerate(lowered.buffers())
        if buffer.first <= step <= buffer.last and buffer.size
    ]
    return Timeline(names, live, alive)
