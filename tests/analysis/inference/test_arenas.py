"""Live sets, orders and plans: against every order, every step, and each other."""

from __future__ import annotations

import itertools
import random
from typing import Any

from draws import draws
from hypothesis import given
from hypothesis import strategies as st

import fieldspec as fs
from fieldspec.analysis.inference.engine import engine_report
from fieldspec.analysis.inference.lowering.lower import lower
from fieldspec.analysis.inference.lowering.operators import Buffer, Lowered, Operator
from fieldspec.analysis.inference.offline import best_plan
from fieldspec.analysis.inference.ordering import best_order
from fieldspec.analysis.inference.planning import greedy_head, greedy_sequence, height, live_peak, place
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.layers import Add


@st.composite
def programs(draw: st.DrawFn) -> Lowered:
    """Operators at random: each reads one or two tensors before it; what nobody reads is an output."""
    count = draw(st.integers(1, 7))
    sizes = draw(st.lists(st.integers(1, 9), min_size=count + 1, max_size=count + 1))
    lowered = Lowered(LayerGraph(), [(16 * size,) for size in sizes])
    for index in range(count):
        sources = draw(st.lists(st.integers(0, index), min_size=1, max_size=2))
        scratch = draw(st.sampled_from([0, 0, 16, 64]))
        lowered.operators.append(Operator("add", f"n{index}", Add(), tuple(sources), index + 1, scratch=scratch))
    read = {tensor for operator in lowered.operators for tensor in operator.inputs}
    lowered.outputs = [tensor for tensor in range(count + 1) if tensor not in read]
    return lowered


def orders(lowered: Lowered) -> list[tuple[int, ...]]:
    """All orders in which every operator runs behind those that it reads."""
    makers = {operator.output: index for index, operator in enumerate(lowered.operators)}
    found = []
    for order in itertools.permutations(range(len(lowered.operators))):
        at = {index: step for step, index in enumerate(order)}
        if all(
            at[makers[tensor]] < at[index]
            for index, operator in enumerate(lowered.operators)
            for tensor in operator.inputs
            if tensor in makers
        ):
            found.append(order)
    return found


@given(programs())
@draws(200)
def test_the_best_order_is_the_best_of_all(lowered: Lowered) -> None:
    """Brute force over every order finds none that needs less."""
    found = best_order(lowered)
    assert found.exact
    assert found.order in orders(lowered)
    assert found.peak == live_peak(lowered, found.order) == min(live_peak(lowered, order) for order in orders(lowered))


def test_too_many_orders() -> None:
    """The answer is then the order as it is, and a bound."""
    branches = [[{"conv": {"out": 8, "kernel": 1}}, {"conv": {"out": 1, "kernel": 1}}]] * 6
    lowered = lower(
        fs.load({"input": [1, 8, 8], "layers": [{"parallel": {"merge": "concat", "branches": branches}}]}).graph
    )
    bound = best_order(lowered, most_states=1)
    assert (bound.exact, bound.order, bound.peak) == (False, tuple(range(13)), live_peak(lowered))


@given(programs())
@draws(200)
def test_plans(lowered: Lowered) -> None:
    """No two tensors that are needed at once lie in one place; a plan never needs more than the engine's own."""
    ordering = best_order(lowered)
    plan = best_plan(lowered, ordering)
    buffers = lowered.buffers(plan.order)
    assert len(plan.offsets) == len(lowered.shapes)
    if -1 not in plan.offsets:
        _assert_apart(buffers[: len(plan.offsets)], plan.offsets)
    assert ordering.peak <= plan.size <= greedy_head(lowered)
    greedy = place(buffers, greedy_sequence(buffers))
    _assert_apart(buffers, greedy)


def _assert_apart(buffers: list[Buffer], offsets: Any) -> None:
    for (a, first), (b, second) in itertools.combinations(zip(buffers, offsets, strict=True), 2):
        if a.first <= b.last and b.first <= a.last:
            assert first + a.size <= second or second + b.size <= first


def test_greedy_by_hand() -> None:
    """The largest first; of two equals the later one; each into the first gap that holds it."""
    buffers = [Buffer(16, 0, 1), Buffer(32, 1, 2), Buffer(32, 2, 3), Buffer(16, 3, 4)]
    assert greedy_sequence(buffers) == [2, 1, 3, 0]
    offsets = place(buffers, greedy_sequence(buffers))
    assert offsets == [0, 32, 0, 32]
    assert height(buffers, offsets) == 64


def test_one_chance_for_all() -> None:
    """The search for a plan is the same on every run, and leaves the caller's random numbers alone."""
    random.seed(3)
    before = random.getstate()
    reports = [engine_report(fs.load("c1c2c3c40_plus").graph) for _ in range(2)]
    assert reports[0].plan == reports[1].plan
    assert random.getstate() == before
