"""LiteRT-Micro itself: how many bytes of an arena a .tflite file takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from fieldspec.export.engines.standard_error import captured_standard_error

ARENA = 64 << 20  # more than any of these networks needs


@dataclass(frozen=True, slots=True)
class Arena:
    """What LiteRT-Micro reports of its arena, in bytes."""

    head: int  # tensors and what operators ask for while they run
    tail: int  # what stays: structures of operators and tensors, quantization


def measured_arena(model: bytes, *, size: int = ARENA) -> Arena:
    """The arena of an int8 model after one run on zeros.

    The engine prints the numbers on the process's standard error and has no other way to tell them.
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
