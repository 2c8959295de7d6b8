"""LiteRT-Micro: the arena that a .tflite file needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fieldspec.export.engines.standard_error import captured_standard_error

ARENA = 64 << 20  # more than any network needs


@dataclass(frozen=True, slots=True)
class Arena:
    """The sizes of the arena reported by LiteRT-Micro, in bytes."""

    head: int  # tensors and scratch buffers
    tail: int  # persistent: structures of operators and tensors, quantization


def measured_arena(model: bytes, *, size: int = ARENA) -> Arena:
    """Measure the arena of an int8 model by one run on zeros.

    The engine only reports the numbers on the process's standard error.
    """
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(model, arena_size=size)
    details = interpreter.get_input_details(0)
    interpreter.set_input(np.zeros(details["shape"], details["dtype"]), 0)
    interpreter.invoke()
    with captured_standard_error() as told:
        interpreter.print_allocations()
    found = {part: int(count) for part, count in re.findall(r"Arena allocation (head|tail) (\d+) bytes", told[0])}
    return Arena(found["head"], found["tail"])
