"""One run of a linearized module, whose units can be asked for the pixels they read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod

import torch
from torch import Tensor, nn

from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.proof.linear import FunctionCall, Linearized, Unmeasurable, WrongSizeError, thin_parts
from fieldspec.analysis.proof.measurements.submodules import (
    Shapes,
    hooked,
    inputs_for,
    module_of,
    one_thread,
    shapes_of,
)
from fieldspec.blocks.formatting import size_text
from fieldspec.blocks.layers import Shape

SMALLEST = 1e-290  # with smaller gradients, neighbors may have become 0
SeenPixels = tuple[int, ...]


class _EnoughError(Exception):
    """All outputs have been computed, so the rest of the network need not run."""


class Probe:
    """One run of a linearized module on inputs of these shapes.

    Args:
        module: Any module; it runs in eval mode, and the values of its weights are irrelevant.
        shape: Shape of each input. Pixels are those of the first, and of others with maps of the same size.
        keys: Outputs that will be asked for.
        own: Calls recorded at the module's own input size.
        near: Calls recorded on an input that is shorter along one axis.
        cut: Stop gradients at operations whose output has no position.
    """

    def __init__(
        self,
        module: nn.Module,
        shape: Shapes,
        keys: Iterable[str],
        *,
        own: Sequence[FunctionCall] | None = None,
        near: Sequence[FunctionCall] | None = None,
        cut: bool = True,
    ) -> None:
        self.shapes = shapes_of(shape)
        weight = next(module.parameters(), torch.empty(0))
        device = "cpu" if weight.is_meta else weight.device
        inputs = inputs_for(module, self.shapes, device=str(device))
        self.outputs: dict[str, Tensor] = {}
        self._wanted = set(keys)
        self.reasons: dict[str, str] = {}  # why an output is missing
        self.failure = ""
        self.hopeless = False  # whether it would fail on any input
        self._mode = Linearized(weight.dtype, own, near, cut=cut)
        self.grid: list[Tensor] = []
        for i, x in enumerate(inputs):
            if self.shapes[i][1:] == self.shapes[0][1:]:
                inputs[i] = torch.ones(x.shape, dtype=torch.float64, device=device, requires_grad=True)
                self.grid.append(self._mode.watch(inputs[i]))
        try:
            with one_thread(), undisturbed(module), hooked(module, self._wanted, self._note), self._mode:
                module(*inputs)
        except _EnoughError:
            pass
        except Exception as error:  # arbitrary modules, on an input of another size
            self.hopeless = isinstance(error, Unmeasurable) and not isinstance(error, WrongSizeError)
            self.failure = (str(error) or type(error).__name__).splitlines()[0]
        self.calls = self._mode.calls

    @property
    def size(self) -> Shape:
        """Pixels along each axis."""
        return self.shapes[0][1:]

    def _note(self, key: str, output: Tensor) -> None:
        try:
            self.outputs[key] = self._mode.current(output)
        except Unmeasurable as error:
            self.reasons[key] = str(error)
        self._wanted.discard(key)
        if not self._wanted:
            raise _EnoughError

    def missing(self, keys: Iterable[str]) -> list[str]:
        """The keys whose output was not computed."""
        return [key for key in keys if key not in self.outputs]

    def output(self, key: str) -> Tensor:
        """The output of a module.

        Raises:
            Unmeasurable: It was not run, or not to its end.
        """
        if key not in self.outputs:
            size = size_text((*self.shapes[0][:1], *self.size))
            failed = f"the network does not run linearized on {size}: {self.failure}" if self.failure else ""
            raise Unmeasurable(self.reasons.get(key) or failed or f"the network runs no module {key!r}")
        return self.outputs[key]

    def pixels(self, key: str, place: UnitPlace, unit: int, count: int = 1) -> SeenPixels:
        """Pixels along an axis read by `count` units from `unit` on, over all channels and across the other axes."""
        seeds: dict[int, tuple[Tensor, Tensor]] = {}
        for piece in thin_parts(self.output(key), place.dim):
            if piece.requires_grad and id(piece) not in seeds:
                seed = torch.zeros(piece.shape, dtype=piece.dtype, device=piece.device)
                place.units(seed, unit, count).fill_(1)
                seeds[id(piece)] = piece, seed
        if not seeds:
            return ()
        outputs, weights = zip(*seeds.values(), strict=True)
        with one_thread():
            found = torch.autograd.grad(outputs, self.grid, weights, retain_graph=True, allow_unused=True)
        line = torch.zeros(self.size[place.axis], dtype=torch.float64, device=self.grid[0].device)
        for gradient in found:
            if gradient is not None:
                line += gradient.sum([d for d in range(gradient.dim()) if d != 2 + place.axis])
        touched = line[line > 0]
        if len(touched) and float(touched.min()) < SMALLEST:
            raise Unmeasurable("the gradient is too small for float64 at the edge of the window")
        return tuple(line.nonzero().flatten().tolist())


class UnitPlace:
    """Where the units along one axis are in a tensor.

    Args:
        axis: Axis of the input, from 0.
        dim: Dimension of the tensor, including the batch.
        count: Units along the axis.
        before: In the same dimension, units of slower-varying axes.
        after: In the same dimension, units of faster-varying axes.
    """

    def __init__(self, axis: int, dim: int, count: int, before: int = 1, after: int = 1) -> None:
        self.axis, self.dim, self.count, self.before, self.after = axis, dim, count, before, after

    def units(self, x: Tensor, first: int, count: int) -> Tensor:
        """The part of a tensor that belongs to `count` units from `first` on."""
        if self.before == self.after == 1:
            return x.narrow(self.dim, first, count)
        apart = x.view(*x.shape[: self.dim], self.before, self.count, self.after, *x.shape[self.dim + 1 :])
        return apart.narrow(self.dim + 1, first, count)


def place_of(axis: int, claimed: Shape | None, own: Shape, near: Shape, now: Shape) -> UnitPlace:
    """Find the units of an axis: in the dimension that follows the input's length along it.

    Args:
        axis: Axis of the input.
        claimed: (channels, *size) at the module's own input; the tensor may have this layout, channels last, or
            all units in one dimension, which may come before the batch or replace it. None if it has this layout.
        own: Shape of the tensor at the module's own input, including the batch.
        near: Its shape on an input that is shorter along the axis.
        now: Its shape on this input.

    Raises:
        Unmeasurable: No layout fits the shapes.
    """
    claimed = own[1:] if claimed is None else claimed
    channels, size = claimed[0] if claimed else 1, claimed[1:]
    follows = [dim for dim, (a, b) in enumerate(zip(near, now, strict=True)) if a != b]
    if axis < len(size):
        for dim, arranged in ((2 + axis, (channels, *size)), (1 + axis, (*size, channels))):
            if own[1:] == arranged and follows == [dim]:
                return UnitPlace(axis, dim, now[dim])
        units = prod(size)
        for dim, found, tokens in (
            (1, own[1:], (units, channels)),
            (2, own[1:], (channels, units)),
            (0, own, (units, 1, channels)),
            (0, own, (units, channels)),
        ):
            if found == tokens and follows == [dim] and 0 in (axis, len(size) - 1 - axis):
                others = near[dim] // size[axis]
                count = now[dim] // others
                return UnitPlace(axis, dim, count, *((1, others) if axis == 0 else (others, 1)))
    shape = size_text(own[1:])
    raise Unmeasurable(f"no dimension of its {shape} output alone follows axis {axis} of the input")


def claims_of(claims: Mapping[str, Shape] | None, key: str) -> Shape | None:
    """The claimed shape of an output."""
    return None if claims is None else claims.get(key, claims.get(module_of(key)))
