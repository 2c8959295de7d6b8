"""A recipe's augmentations on whole batches, on the batch's device: for GPUs that the CPU cannot feed fast enough.

The transforms and their ranges are those of the CPU path with albumentations. The draws differ, but likewise depend
only on seed, epoch and image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from numpy.typing import NDArray
from torch import Tensor

from fieldspec.training.data.randomness import derive, uniforms
from fieldspec.training.recipe.transforms import (
    BrightnessContrast,
    CoarseDropout,
    Grayscale,
    HorizontalFlip,
    RandomCrop,
    ShiftScaleRotate,
    Transform,
    VerticalFlip,
    both_sides,
)

BELOW_ONE = np.float32(1 - 2**-24)  # the largest float32 below 1; closer values would round to 1
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in cv2


class DeviceAugmentation:
    """Augments batches of floating point images in units of 0..255; the arguments are those of `Augmentation`."""

    def __init__(self, transforms: Sequence[Transform], mean_color: tuple[int, ...], seed: int) -> None:
        self.transforms, self.mean_color, self.seed = tuple(transforms), mean_color, seed

    def __call__(self, x: Tensor, numbers: Tensor, epoch: int) -> Tensor:
        """Augment a batch: (batch, channels, height, width) -> the same shape; `numbers` of its images, on the CPU."""
        ids = numbers.numpy()
        for place, transform in enumerate(self.transforms):
            holes = transform.holes if isinstance(transform, CoarseDropout) else 0
            key = derive(self.seed, "augment", epoch, place)
            numbers_drawn = np.minimum(uniforms(key, ids, 5 + 2 * holes).astype(np.float32), BELOW_ONE)
            draws = torch.from_numpy(numbers_drawn).to(x.device, non_blocking=True)
            chosen = (draws[:, 0] < transform.p).view(-1, 1, 1, 1)
            x = torch.where(chosen, self._applied(transform, x, draws[:, 1:]), x)
        return x

    def of_bytes(self, pixels: NDArray[np.uint8], numbers: NDArray[np.int64], epoch: int) -> NDArray[np.uint8]:
        """Augment uint8 images on the CPU, with `Augmentation`'s signature: (batch, height, width, channels)."""
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
        augmented = self(x, torch.from_numpy(numbers), epoch).round().byte().permute(0, 2, 3, 1)
        return np.ascontiguousarray(augmented.numpy())

    def _applied(self, transform: Transform, x: Tensor, draws: Tensor) -> Tensor:
        """The transform applied to every image; the caller selects the images that get it."""
        match transform:
            case HorizontalFlip():
                return x.flip(3)
            case VerticalFlip():
                return x.flip(2)
            case ShiftScaleRotate():
                return self._affine(transform, x, draws)
            case RandomCrop():
                return self._crop(transform, x, draws)
            case CoarseDropout():
                return self._dropout(transform, x, draws)
            case BrightnessContrast():
                contrast = 1 + _between(draws[:, 0], transform.contrast).view(-1, 1, 1, 1)
                brightness = 255 * _between(draws[:, 1], transform.brightness).view(-1, 1, 1, 1)
                return (x * contrast + brightness).clamp(0, 255)
            case Grayscale():
                weights = _on_device(LUMINANCE, x).view(1, 3, 1, 1)
                return (x * weights).sum(1, keepdim=True).expand_as(x) if x.shape[1] == 3 else x
        raise TypeError(f"{type(transform).__name__} cannot be applied to batches")

    def _color(self, fill: str | tuple[int, ...], x: Tensor) -> Tensor:
        named = {"mean": self.mean_color, "black": (0,) * len(self.mean_color)}
        color = named[fill] if isinstance(fill, str) else fill[: x.shape[1]]
        return _on_device(color, x).view(1, -1, 1, 1)

    def _affine(self, transform: ShiftScaleRotate, x: Tensor, draws: Tensor) -> Tensor:
        """Sample the input at the inverse of scaling, rotating and shifting about the image's center."""
        height, width = x.shape[2:]
        shift_x = (width * _between(draws[:, 0], transform.shift)).trunc().view(-1, 1, 1)  # as in albumentations
        shift_y = (height * _between(draws[:, 1], transform.shift)).trunc().view(-1, 1, 1)
        scale = 1 + _between(draws[:, 2], transform.scale).view(-1, 1, 1)
        angle = torch.deg2rad(_between(draws[:, 3], transform.rotate)).view(-1, 1, 1)
        across = torch.arange(width, device=x.device) - (width - 1) / 2 - shift_x  # (batch, 1, width)
        down = torch.arange(height, device=x.device).view(-1, 1) - (height - 1) / 2 - shift_y  # (batch, height, 1)
        source_x = (across * angle.cos() - down * angle.sin()) / scale
        source_y = (across * angle.sin() + down * angle.cos()) / scale
        ends = _on_device(((width - 1) / 2, (height - 1) / 2), x).clamp(min=0.5)
        grid = torch.stack((source_x, source_y), -1) / ends  # -1 and 1 are the centers of the outermost pixels
        if transform.border == "reflect":
            return F.grid_sample(x, grid, padding_mode="reflection", align_corners=True)
        color = self._color(transform.border, x)
        return F.grid_sample(x - color, grid, padding_mode="zeros", align_corners=True) + color

    def _crop(self, transform: RandomCrop, x: Tensor, draws: Tensor) -> Tensor:
        height, width = x.shape[2:]
        top, left = ((2 * transform.padding + 1) * draws[:, :2]).long().unbind(1)
        rows = top.view(-1, 1) + torch.arange(height, device=x.device)  # (batch, height)
        columns = left.view(-1, 1) + torch.arange(width, device=x.device)
        if transform.border == "reflect":  # by index: torch's reflection padding must be smaller than the image
            rows, columns = (
                _reflected(index - transform.padding, size) for index, size in ((rows, height), (columns, width))
            )
        else:
            color = self._color(transform.border, x)
            x = F.pad(x - color, (transform.padding,) * 4) + color
        taken = x.gather(2, rows.view(-1, 1, height, 1).expand(-1, x.shape[1], -1, x.shape[3]))
        return taken.gather(3, columns.view(-1, 1, 1, width).expand(-1, x.shape[1], height, -1))

    def _dropout(self, transform: CoarseDropout, x: Tensor, draws: Tensor) -> Tensor:
        size_y, size_x = min(transform.height, x.shape[2]), min(transform.width, x.shape[3])
        rows = torch.arange(x.shape[2], device=x.device).view(1, -1, 1)
        columns = torch.arange(x.shape[3], device=x.device).view(1, 1, -1)
        inside = torch.zeros(1, 1, 1, dtype=torch.bool, device=x.device)
        for hole in range(transform.holes):
            top = ((x.shape[2] - size_y + 1) * draws[:, 2 * hole]).long().view(-1, 1, 1)
            left = ((x.shape[3] - size_x + 1) * draws[:, 2 * hole + 1]).long().view(-1, 1, 1)
            in_rows = (rows >= top) & (rows < top + size_y)
            inside = inside | (in_rows & (columns >= left) & (columns < left + size_x))
        return torch.where(inside.unsqueeze(1), self._color(transform.fill, x), x)


def _on_device(values: Sequence[float], x: Tensor) -> Tensor:
    """A tensor with the dtype and device of x; torch.tensor(..., device=) would synchronize with the GPU."""
    return torch.tensor(values, dtype=x.dtype).to(x.device, non_blocking=True)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Map indices outside 0..size-1 to those that cv2's BORDER_REFLECT_101 reads; the edge is not repeated.

    Example:
        >>> _reflected(torch.arange(-4, 7), 4).tolist()
        [2, 3, 2, 1, 0, 1, 2, 3, 2, 1, 0]
    """
    period = max(1, 2 * (size - 1))
    return size - 1 - (index.remainder(period) - (size - 1)).abs()


def _between(draws: Tensor, limits: float | tuple[float, float]) -> Tensor:
    low, high = both_sides(limits)
    return low + (high - low) * draws
