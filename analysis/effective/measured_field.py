"""Effective receptive field measured on real images: how strongly each pixel influences one unit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.analysis.effective.distributions import SHARE, AxisDistribution, PixelDistribution, rounded
from fieldspec.analysis.modules.undisturbed import undisturbed
from fieldspec.analysis.report.plain_data import SCHEMA, portable
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import side_text, size_text, sizes_text
from fieldspec.blocks.suggestions import did_you_mean

Inputs = Tensor | Iterable[Any] | str | os.PathLike[str]


@dataclass(frozen=True)
class MeasuredField(PixelDistribution):
    """Mean over images of ``|d y / d x|``: y is a unit, summed over its channels; x is summed over channels.

    Source:
        Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016.
    """

    layer: str  # path of the submodule; "" for the module itself
    unit: tuple[int, ...]
    images: int
    values: Tensor = field(repr=False)  # float64, one per pixel, with the image's axes

    @property
    def axes(self) -> tuple[AxisDistribution, ...]:
        """The projection on each axis: sums over the pixels of each row, and of each column."""
        dims = range(self.values.dim())
        rows = [
            self.values.sum([other for other in dims if other != axis]) if len(dims) > 1 else self.values
            for axis in dims
        ]
        return tuple(AxisDistribution(0, tuple(row.tolist())) for row in rows)

    def array(self) -> list[Any]:
        """Share of each pixel as nested lists, ``array[row][column]``; the shares sum to 1."""
        shares: list[Any] = (self.values / self.values.sum()).tolist()
        return shares

    def to_dict(self, *, share: float = SHARE) -> dict[str, Any]:
        """Plain data; `shares` are those of rows and columns."""
        data = {"schema": SCHEMA, "layer": self.layer, "unit": self.unit, "images": self.images, "share": share}
        data |= {"side": self.side(share), "std": self.std, "center": self.center}
        data |= {"start": [axis.start for axis in self.axes], "shares": [axis.shares for axis in self.axes]}
        return {key: portable(value) for key, value in data.items()}

    def to_text(self, *, share: float = SHARE) -> str:
        """A few lines for a terminal."""
        size = side_text(tuple(self.values.shape))
        lines = [
            f"effective receptive field at {self.layer or 'the output'}, measured on {self.images} images of {size}",
            f"  {side_text(self.side(share))} pixels hold {100 * share:g} % of the gradient along each axis",
            f"  standard deviation {rounded(self.std)}, center {rounded(self.center)}, of unit {side_text(self.unit)}",
        ]
        return "\n".join([*lines, ""])


def measured_effective_receptive_field(
    module: nn.Module,
    inputs: Inputs,
    *,
    layer: str = "",
    unit: Sequence[int] | None = None,
    batch_size: int = 16,
    images: int | None = None,
) -> MeasuredField:
    """Measure how strongly each pixel influences one unit of a submodule's output: mean absolute gradient over images.

    The module runs in eval mode and is left exactly as it was: mode, gradients, hooks and random state. The gradient
    is that of the sum over the unit's channels; its absolute values are summed over the channels of the image and
    averaged over images.

    Args:
        inputs: A batch (n, channels, height, width); or an iterable of such batches or of images (channels, height,
            width), alone or first in a tuple (as from a DataLoader); or a folder of image files, which are cropped
            and normalized according to the module's `pretrained_cfg`.
        layer: Path of the submodule, as in `named_modules()`; its output must be a map. Default: the module itself.
        unit: One index per axis; by default the middle of the map.
        batch_size: Number of images per forward pass.
        images: Maximum number of images; all by default.

    Raises:
        FieldspecError: The submodule does not exist, its output is not a map or does not depend on the image, or
            there are no images, or they differ in size.
    Example:
        >>> _ = torch.manual_seed(0)
        >>> seen = measured_effective_receptive_field(nn.Conv2d(3, 8, 3, padding=1), torch.randn(4, 3, 9, 9))
        >>> seen.unit, seen.images, int((seen.values > 0).sum()), seen.side(1.0)
        ((4, 4), 4, 9, (3, 3))
    """
    if layer not in dict(module.named_modules()):
        known = [path for path, _ in module.named_modules()]
        raise FieldspecError(f"no submodule {layer!r}.{did_you_mean(layer, known)}".removesuffix("."))
    weight = next(module.parameters(), torch.empty(0))
    total: Tensor | None = None
    count = 0
    for batch in _batches(islice(_images(module, inputs), images), batch_size):
        gradient, unit = _gradient(module, layer, batch.to(weight), unit)
        if total is not None and total.shape != gradient.shape:
            sizes = sizes_text(one.shape for one in (total, gradient))
            raise FieldspecError(f"images must all have the same size, gets {sizes}")
        total = gradient if total is None else total + gradient
        count += len(batch)
    if total is None or unit is None:
        raise FieldspecError("no images")
    if not total.any():
        raise FieldspecError(
            f"{layer or 'the output'}: unit {size_text(unit)} has no gradient on any of {count} images"
        )
    return MeasuredField(layer, tuple(unit), count, total / count)


def _gradient(
    module: nn.Module, layer: str, batch: Tensor, unit: Sequence[int] | None
) -> tuple[Tensor, tuple[int, ...]]:
    """Absolute gradient of one unit, summed over the batch and the channels, on the CPU; and the unit."""
    found: list[Any] = []
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(undisturbed(module))
        hook = module.get_submodule(layer).register_forward_hook(lambda _, inputs, output: found.append(output))
        stack.callback(hook.remove)
        x = batch.detach().clone().requires_grad_()
        module(x)
        output = found[-1] if found else None
        if not isinstance(output, Tensor) or output.dim() != batch.dim():
            got = size_text(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise FieldspecError(
                f"{layer or 'the output'}: its output is {got}, not a map; choose a submodule that returns a map"
            )
        unit = tuple(size // 2 for size in output.shape[2:]) if unit is None else tuple(unit)
        if len(unit) != output.dim() - 2 or not all(0 <= u < n for u, n in zip(unit, output.shape[2:], strict=False)):
            raise FieldspecError(f"unit: {size_text(unit)} is outside the {size_text(output.shape[2:])} map")
        index: tuple[Any, ...] = (..., *unit)
        value = output[index].sum()
        (gradient,) = torch.autograd.grad(value, x, allow_unused=True) if value.requires_grad else (None,)
    if gradient is None:
        raise FieldspecError(f"{layer or 'the output'}: its output does not depend on the image")
    return gradient.detach().abs().double().sum((0, 1)).cpu(), unit


def _images(module: nn.Module, inputs: Inputs) -> Iterator[Tensor]:
    """The images, one by one."""
    if isinstance(inputs, str | os.PathLike):
        from fieldspec.analysis.effective.image_folder import image_folder

        yield from image_folder(inputs, getattr(module, "pretrained_cfg", None) or {})
    elif isinstance(inputs, Tensor):
        yield from inputs
    else:
        items: Iterable[Any] = inputs
        for item in items:
            one = item[0] if isinstance(item, tuple | list) else item
            yield from one if one.dim() > 3 else [one]


def _batches(images: Iterator[Tensor], batch_size: int) -> Iterator[Tensor]:
    while batch := list(islice(images, batch_size)):
        sizes = sorted({tuple(image.shape) for image in batch})
        if len(sizes) > 1:
            raise FieldspecError(f"images must all have the same size, gets {sizes_text(sizes[:2])}")
        yield torch.stack(batch)
