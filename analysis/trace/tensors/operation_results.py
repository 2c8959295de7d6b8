"""Values of an operation's results: from a rule, from a user rule, or unknown."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

from fieldspec.analysis.modules.products import multiply_adds
from fieldspec.analysis.trace.layout import LayoutError, of_map, size_of
from fieldspec.analysis.trace.recorder import Recorder
from fieldspec.analysis.trace.rules.pointwise import POINTWISE, pointwise
from fieldspec.analysis.trace.rules.registry import RULES, USER_RULES, Op, Result
from fieldspec.analysis.trace.tensors.asides import Asides
from fieldspec.analysis.trace.tensors.held_values import HeldValues
from fieldspec.analysis.trace.tensors.nested import tensors_in
from fieldspec.analysis.trace.tensors.unknown import map_again, unknown
from fieldspec.analysis.trace.tensors.writes import Writes
from fieldspec.analysis.trace.tokens import has_tokens, with_tokens
from fieldspec.analysis.trace.values import Value

UNEXPECTED = "a call that its rule does not support"  # the rule raised an error, which is its bug
WINDOWS = re.compile("conv|pool|upsample|unfold|_pad[123]d")  # in the names of operations with windows


class OperationResults:
    """Records operations on maps and the values of their results."""

    def __init__(self, record: Recorder, held: HeldValues, writes: Writes, asides: Asides) -> None:
        self.record, self.held, self.writes, self.asides = record, held, writes, asides

    def record_operation(
        self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any, made: list[Tensor]
    ) -> None:
        """Add the nodes of an operation; `out` are its results without values, and `made` the tensors in them."""
        op = self._op(func, args, kwargs, out)
        before = len(self.record.graph)
        if made and not func._schema.is_mutable and not any(tensor.numel() for tensor in made):
            return  # the result is empty
        try:
            results = self._values_of(func, op)
            self._check_all_read(op, before, results)
            _check_laid_out(made, results)
        except Exception as error:  # a failing rule claims nothing
            if func._schema.name in USER_RULES and not isinstance(error, LayoutError):
                raise
            self.record.forget(before)
            reason = str(error) if isinstance(error, LayoutError) else UNEXPECTED
            if reason == UNEXPECTED:
                logging.getLogger(__name__).debug("%s: a rule fails", op.name, exc_info=error)
            self._opaque(func, op, made, reason, multiply_adds(func, args, kwargs, out))
            return
        if isinstance(results, list):
            for tensor, value in zip(made, results, strict=True):
                self._keep(func, op, tensor, value)
            return
        if made:
            self._keep(func, op, made[0], results and map_again(self.record, op.name, made[0], results))
        if results is not None:
            self.asides.add([tensor for tensor in made[1:] if tensor not in self.held], op, results)

    def _op(self, func: OpOverload, args: Any, kwargs: dict[str, Any], out: Any) -> Op:
        name = func._schema.name.removeprefix("aten::").removeprefix("fieldspec::")
        name = name.removesuffix("_") if func._schema.is_mutable and not name.endswith("__") else name
        schema = [argument.name for argument in func._schema.arguments]
        return Op(name, self.record, schema, args, kwargs, out, self.held.value)

    def _values_of(self, func: OpOverload, op: Op) -> Result:
        if has_tokens(op):
            on_units = torch.Tag.pointwise in func.tags or op.name in POINTWISE
            macs = multiply_adds(func, op.args, op.kwargs, op.out)
            return with_tokens(func, op, lambda units: self._values_of(func, units), pointwise=on_units, macs=macs)
        user = USER_RULES.get(func._schema.name)
        if user is not None:
            return self._by_user(op, user)
        rule = RULES.get(op.name) or RULES.get(op.name.removesuffix("_copy"))
        if rule is not None:
            return rule(op)
        if torch.Tag.pointwise in func.tags or op.name in POINTWISE:
            return pointwise(op)
        raise LayoutError("no rule")

    def _by_user(self, op: Op, rule: Callable[..., Any]) -> Value:
        named = dict(zip(op.kwargs, self.held.shapes(self.record, op.kwargs.values()), strict=True))
        layer = rule(*self.held.shapes(self.record, op.args), **named)
        values = self.held.values_in((op.args, op.kwargs))
        values = [
            self.record.settled(value) if len(value.layout) > 2 else self.record.straight(value) for value in values
        ]
        shape = tuple(op.sizes[1:])
        return Value(op.add(layer, values, shape), of_map(shape))

    def _check_all_read(self, op: Op, before: int, results: Result) -> None:
        """Check that a rule has not taken one of several maps for weights, as when the kernel is computed from the map.

        Raises:
            LayoutError: It has.
        """
        values = self.held.values_in((op.args, op.kwargs))
        if len(values) < 2 or len({value.node for value in values}) < 2 or op.name == "copy":
            return
        read = {source for node in self.record.graph.nodes[before:] for source in node.inputs}
        read |= {value.node for value in (results if isinstance(results, list) else [results]) if value is not None}
        if any(not read & {value.node, self.record.maps.get(value, value).node} for value in values):
            raise LayoutError("weights that are made of the map")

    def _keep(self, func: OpOverload, op: Op, tensor: Tensor, value: Value | None) -> None:
        changed = func._schema.is_mutable and (value is None or not self._is_local(func, op))
        self.writes.replace(tensor, value)
        if changed:
            self.writes.write(tensor, value)

    def _is_local(self, func: OpOverload, op: Op) -> bool:
        """Whether an in-place operation writes each element where it reads it: an element-wise function of one map."""
        maps = {id(leaf) for leaf in tensors_in((op.args, op.kwargs)) if leaf in self.held}
        return torch.Tag.pointwise in func.tags and maps == {id(op.args[0])}

    def _opaque(self, func: OpOverload, op: Op, made: list[Tensor], reason: str, products: int) -> None:
        if not made:
            return
        values = self.held.values_in((op.args, op.kwargs))
        beside = sum(tensor.numel() for tensor in made[1:])
        if WINDOWS.search(op.name):
            self.record.unfollowed_windows = max(self.record.unfollowed_windows, made[0].dim() - 2)
        value = unknown(self.record, made[0], op.name, values, reason, products=products, beside=beside)
        self._keep(func, op, made[0], value)
        self.asides.add(made[1:], op, value)


def _check_laid_out(made: list[Tensor], results: Result) -> None:
    """Check that the layouts given by a rule match the sizes of the tensors in every dimension.

    Raises:
        LayoutError: They do not, so readers would see wrong dimensions.
    """
    values = results if isinstance(results, list) else [results]
    for tensor, value in zip(made, values, strict=False):
        if value is None:
            continue
        sizes = [size_of(dim) for dim in value.layout]
        for one in value.beside:
            sizes[one.dim] += one.count
        if sizes != list(tensor.shape):
            raise LayoutError("elements that its rule lays out in other dimensions")
