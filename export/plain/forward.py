"""Source of a forward pass over modules that read each other's outputs."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 120
RESERVED = {"x", "self", "torch", "nn", "F"}
Sources: TypeAlias = "Sequence[int]"


@dataclass(frozen=True, slots=True)
class Step:
    """One module: its name, its sources (0 is the input, n + 1 the output of step n), and its call or merge."""

    name: str
    sources: Sources
    call: str  # self.conv1; add, multiply or concat for several sources


def forward_lines(steps: Sequence[Step], outputs: Sequence[int]) -> list[str]:
    """Write the method `forward`, one line per step; steps in series share one variable, several outputs form a list.

    Example:
        >>> steps = [Step("one", (0,), "self.one"), Step("both", (0, 1), "concat")]
        >>> print(*forward_lines(steps, [2]), sep=chr(10))
            def forward(self, x: Tensor) -> Tensor:
                one = self.one(x)
                both = torch.cat([x, one], 1)
                return both
    """
    in_series = list(outputs) == [len(steps)] and all(step.sources == (n,) for n, step in enumerate(steps))
    names = ["x"] * (1 + len(steps)) if in_series else ["x", *_variables([step.name for step in steps])]
    lines = [f"    def forward(self, x: Tensor) -> {'Tensor' if len(outputs) == 1 else 'list[Tensor]'}:"]
    for number, step in enumerate(steps, 1):
        lines += _assignment(names[number], step, [names[source] for source in step.sources])
    given = ", ".join([names[output] for output in outputs])
    return [*lines, f"        return {given if len(outputs) == 1 else f'[{given}]'}"]


def _variables(names: Sequence[str]) -> list[str]:
    """Name a variable for each module, after the module, unless the name is a keyword or taken."""
    taken = set(RESERVED)
    found = []
    for name in names:
        variable = name.replace(".", "_")
        variable = f"_{variable}" if variable[0].isdigit() else variable
        while variable in taken or keyword.iskeyword(variable):
            variable += "_"
        taken.add(variable)
        found.append(variable)
    return found


def _assignment(variable: str, step: Step, read: Sequence[str]) -> list[str]:
    """Write `variable = ...`, over several lines if it is too long for one."""
    sign = {"add": " + ", "multiply": " * "}.get(step.call)
    if len(read) == 1:
        before, inside, after = f"{step.call}(", read[0], ")"
    elif sign is not None:
        before, inside, after = "", sign.join(read), ""
    else:
        before, inside, after = "torch.cat(", f"[{', '.join(read)}], 1", ")"
    line = f"        {variable} = {before}{inside}{after}"
    if len(line) <= WIDTH:
        return [line]
    if sign is None:
        return [f"        {variable} = {before}", f"            {inside}", f"        {after}"]
    signed = [read[0], *[f"{sign.strip()} {one}" for one in read[1:]]]
    return [f"        {variable} = (", *[f"            {one}" for one in signed], "        )"]
