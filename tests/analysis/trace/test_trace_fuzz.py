"""Random modules: whatever torch runs is traced without an error, and the gradient refutes none of the numbers."""

from __future__ import annotations

import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from modules_at_random import Shape, modules
from torch import Tensor, nn

from fieldspec.analysis import prove
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.trace import report_of_module
from fieldspec.blocks.layers import Pad

MEASURED = 3  # maps inside, each of which needs backward passes


@draws(100)
@given(modules(), st.randoms(use_true_random=False))
def test_no_number_is_refuted(drawn: tuple[nn.Module, Shape], random: object) -> None:
    """The output's field and those of some submodules, all counts and shapes: proved, or not measured."""
    net, size = drawn
    report = report_of_module(net, size)
    inside = sorted({report.layers[node].id for node in report.module_outputs.values()})
    chosen = random.sample(inside, min(MEASURED, len(inside)))  # type: ignore[attr-defined]  # hypothesis' own Random
    checks = prove(net, report, layers={report[""].id, *chosen})
    assert [str(check) for check in checks if check.verdict in ("refuted", "failed")] == []


@draws(100)
@given(modules())
def test_no_unit_sees_more_than_is_claimed(drawn: tuple[nn.Module, Shape]) -> None:
    """On the module's own input, borders and all: pixels outside of the claimed window change nothing."""
    net, size = drawn
    report = report_of_module(net, size)
    with torch.no_grad():
        assert seen_outside(net, size, report) == []


def seen_outside(net: nn.Module, size: Shape, report: Report) -> list[str]:
    """Units of the output that change with pixels outside of their windows."""
    claimed = report[""].field
    mirrored = any(isinstance(layer.layer, Pad) and layer.layer.mode != "constant" for layer in report.layers)
    if (
        claimed.status != "exact" or not claimed.has_position or mirrored
    ):  # windows are those of units away from mirrors
        return []
    net.double()
    generator = torch.Generator().manual_seed(0)
    for weight in [*net.parameters(), *net.buffers()]:
        if weight.is_floating_point():
            weight.data.uniform_(0.5, 1.5, generator=generator)
    x = torch.randn(1, *size, dtype=torch.float64, generator=generator)
    output = main_output(net(x.clone()))
    found = []
    for unit in zip(*[(0, length // 2, length - 1) for length in output.shape[2:]], strict=True):
        for axis, (at, field) in enumerate(zip(unit, claimed.axes, strict=True)):
            outside = sorted(set(range(size[1 + axis])) - set(field.unit(at).pixels()))
            other = x.clone()
            other.index_fill_(2 + axis, torch.tensor(outside, dtype=torch.long), 3.0)
            place = (0, slice(None), *unit)
            if not torch.allclose(main_output(net(other))[place], output[place], rtol=1e-9, atol=1e-9):
                found.append(f"unit {at} along axis {axis} reads more than {field.unit(at)}")
    return found


def main_output(output: object) -> Tensor:
    """The first tensor of a tuple or mapping, the last of a list."""
    if isinstance(output, dict):
        return main_output(output["out"])
    if isinstance(output, tuple | list):
        return main_output(output[0] if isinstance(output, tuple) else output[-1])
    assert isinstance(output, Tensor)
    return output
