"""The conditions of a timing; timings under different conditions are not comparable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

EngineName = Literal["eager", "compiled", "onnxruntime"]
TimedDtype = Literal["float32", "float16", "bfloat16"]
Clock = Literal["wall", "cpu"]

ENGINES: tuple[EngineName, ...] = get_args(EngineName)
DTYPES: tuple[TimedDtype, ...] = get_args(TimedDtype)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Engine, device, dtype, batch size, threads and clock.

    Wall-clock time includes whatever else the machine does meanwhile; the thread's CPU time does not, and is right for
    one thread that computes on the CPU.
    """

    engine: EngineName = "eager"
    device: str = "cpu"
    dtype: TimedDtype = "float32"
    batch: int = 1
    threads: int = 1
    clock: Clock = "wall"

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        clock = ", CPU time" if self.clock == "cpu" else ""
        return f"{self.engine}, {self.device}, {self.dtype}, batch {self.batch}, {threads}{clock}"
