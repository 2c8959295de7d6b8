"""CUDA graphs: a GPU waits for the launches of a small network longer than it computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Replayed:
    """A network in training whose forward and backward passes are recorded once, and replayed with one launch each.

    Only for batches of one shape; others are computed as usual. The recording leaves the network as it was.

    Args:
        net: On a GPU, in training mode.
        shape: Batch, channels, height, width.
        layout: Of the batches in memory.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], layout: torch.memory_format) -> None:
        self.net, self.shape = net, torch.Size(shape)
        first = next(net.parameters())
        x = torch.zeros(shape, device=first.device).contiguous(memory_format=layout)
        before = [buffer.clone() for buffer in net.buffers()]
        dtype, enabled = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
        with torch.autocast("cuda", dtype, enabled, cache_enabled=False):  # a graph cannot hold cached casts
            self.replay: Any = torch.cuda.make_graphed_callables(_Forward(net), (x,))
        with torch.no_grad():
            for buffer, kept in zip(net.buffers(), before, strict=True):
                buffer.copy_(kept)

    def __call__(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes); the result of a replay is overwritten by the next."""
        logits: Tensor = self.replay(x) if x.shape == self.shape else self.net(x)
        return logits


class _Forward(nn.Module):
    """Stands in for the network, of which recording replaces the forward method."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
