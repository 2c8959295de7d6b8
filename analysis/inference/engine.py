"""What a network needs on an engine: operators, flash, and RAM under several conventions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fieldspec.analysis.inference.kinds import SRAM
from fieldspec.analysis.inference.lowering.lower import lower, written_out
from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.analysis.inference.offline import Plan, best_plan
from fieldspec.analysis.inference.ordering import Ordering, best_order
from fieldspec.analysis.inference.patches.patching import Patching, least_patching
from fieldspec.analysis.inference.planning import greedy_head, live_bytes
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.graph import LayerGraph

ENGINES = {"tflm": "LiteRT-Micro"}


@dataclass(frozen=True)
class EngineReport:
    """A network on LiteRT-Micro in int8, batch 1.

    - `flash`: bytes of weights, biases and quantization parameters.
    - `live`: the peak of live tensors in the network's own order; a lower bound for planners that only place tensors.
    - `ordered`: the minimum over all orders of the operators, or an upper bound if there are too many.
    - `head`: the head of the arena as placed by the engine's greedy planner.
    - `planned`: with a plan of order and offsets stored in the file, which the engine follows.
    - `patched`: with the first operators run patch by patch; None if that would not need less.
    """

    name: str
    lowered: Lowered = field(repr=False)

    @property
    def flash(self) -> int:
        """Bytes of weights, biases and quantization parameters."""
        return self.lowered.flash

    @cached_property
    def live(self) -> list[int]:
        """Bytes needed while each operator runs; entry 0 is before the first."""
        return live_bytes(self.lowered.buffers(), len(self.lowered.operators))

    @cached_property
    def ordering(self) -> Ordering:
        """The order of the operators that needs the least RAM."""
        return best_order(self.lowered)

    @cached_property
    def head(self) -> int:
        """Bytes of the head of the arena, as the engine plans it."""
        return greedy_head(self.lowered)

    @cached_property
    def plan(self) -> Plan:
        """Order and offsets, for the file's metadata."""
        return best_plan(self.lowered, self.ordering)

    @cached_property
    def patching(self) -> Patching | None:
        """The patches that need the least RAM; None if the network as a whole needs no more."""
        found = least_patching(written_out(self.lowered))
        return found if found is not None and found.size < self.plan.size else None

    def sram(self, kind: str) -> int | None:
        """Bytes of RAM by one of the conventions in SRAM; only `patched` may be None."""
        found: dict[str, Callable[[], int | None]] = {
            "live": lambda: max(self.live),
            "ordered": lambda: self.ordering.peak,
            "tflm": lambda: self.head,
            "planned": lambda: self.plan.size,
            "patched": lambda: self.patching.size if self.patching else None,
        }
        return found[kind]()

    @property
    def peak(self) -> str:
        """Id of the layer whose operator needs the most RAM."""
        step = max(range(1, len(self.live)), key=self.live.__getitem__)
        return self.lowered.operators[step - 1].id

    def to_dict(self) -> dict[str, Any]:
        """Plain data; null for what does not apply."""
        sizes = self.lowered.sizes
        rows = [
            {
                "kind": operator.kind,
                "id": operator.id,
                "fused": operator.fused,
                "inputs": [sizes[tensor] for tensor in operator.inputs],
                "output": sizes[operator.output],
                "scratch": operator.scratch,
                "live": live,
                "flash": operator.flash,
                "macs": operator.macs,
            }
            for operator, live in zip(self.lowered.operators, self.live[1:], strict=True)
        ]
        return {
            "name": self.name,
            "flash": self.flash,
            "macs": self.lowered.macs,
            "sram": {kind: self.sram(kind) for kind in SRAM},
            "patches": self._patches(),
            "ordered_is_exact": self.ordering.exact,
            "peak": self.peak,
            "grown": [operator.id for operator in self.lowered.operators if operator.grown],
            "unfolded": self.lowered.unfolded,
            "composed": self.lowered.composed,
            "operators": rows,
        }

    def to_text(self) -> str:
        """The RAM by each convention, then one row per operator with what it needs, as a bar relative to the peak."""
        from fieldspec.analysis.inference.listing import listing

        return "\n".join(listing(self, ENGINES[self.name]))

    def to_markdown(self) -> str:
        """The same as a code block."""
        return f"```\n{self.to_text()}\n```"

    def _patches(self) -> dict[str, Any] | None:
        if self.patching is None:
            return None
        return {"up_to": self.patching.last, "grid": list(self.patching.grid), "macs": self.patching.macs}


def engine_report(graph: LayerGraph, engine: str = "tflm") -> EngineReport:
    """Report what a layer graph, of a spec or a traced module, needs on an engine.

    Raises:
        EngineError: The engine cannot run it; the message names every unsupported layer.
        FieldspecError: There is no such engine.
    Example:
        >>> from fieldspec.blocks import LayerGraph, conv
        >>> report = engine_report(LayerGraph.of(conv(3, out_channels=8), (3, 32, 32)))
        >>> report.flash, report.head                # 8*27 + 8*(4 + 12 + 12) + 2*12; 32*32*(3 + 8)
        (464, 11264)
    """
    if engine not in ENGINES:
        raise FieldspecError(f"unknown engine {engine!r}; known: {', '.join(ENGINES)}")
    return EngineReport(engine, lower(graph))
