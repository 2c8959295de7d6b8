"""Normalization from uint8 pixels to a network's input, shared by training, evaluation and prediction."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Normalize(nn.Module):
    """Subtracts a mean and divides by a standard deviation, both in 0..1 units; adds nothing to the state dict."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...], *, channels_last: bool = True) -> None:
        super().__init__()
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        shape = (1, len(mean), 1, 1)
        self.register_buffer("mean", 255 * torch.tensor(mean).view(shape), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(shape), persistent=False)

    def images(self, pixels: Tensor) -> Tensor:
        """Convert uint8 (batch, height, width, channels) -> float (batch, channels, height, width), 0..255.

        The permutation copies nothing: the pixels are already in channels_last order.
        """
        return pixels.permute(0, 3, 1, 2).float()

    def of_bytes(self, pixels: Tensor) -> Tensor:
        """Normalize uint8 on any device: (batch, height, width, channels) -> (batch, channels, height, width)."""
        x: Tensor = self(self.images(pixels.to(self.mean.device)))
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (batch, channels, height, width) in units of 0..255 -> the same shape."""
        x = (x - self.mean) / self.std
        return x.contiguous(memory_format=self.layout)


def unnormalize(batch: NDArray[np.float32], mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.uint8]:
    """Turn a network's input back to pixels: (batch, channels, height, width) -> (batch, height, width, channels)."""
    pixels = batch.transpose(0, 2, 3, 1) * np.array(std) + np.array(mean)
    whole: NDArray[np.uint8] = (255 * pixels).round().clip(0, 255).astype(np.uint8)
    return whole
