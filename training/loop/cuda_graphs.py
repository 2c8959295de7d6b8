"""CUDA graphs: a GPU waits for the launches of a small network longer than it computes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def quiet() -> Iterator[None]:
    """Without torch's remarks on the streams of what is captured."""
    with warnings.catch_warnings():
        for remark in ("Attempting to run cuBLAS", "The AccumulateGrad node's stream"):
            warnings.filterwarnings("ignore", remark, UserWarning)
        yield


class Graphed:
    """A network in training whose forward and backward passes are captured once, and replayed with one launch each.

    Only for batches of one shape; others are computed as usual. Capturing leaves the network as it was.

    Args:
        net: On a GPU, in training mode.
        shape: Batch, channels, height, width.
        layout: Of the batches in memory.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], layout: torch.memory_format) -> None:
        self.net, self.shape = net, torch.Size(shape)
        x = torch.zeros(shape, device=next(net.parameters()).device).contiguous(memory_format=layout)
        before = [buffer.clone() for buffer in net.buffers()]
        dtype, enabled = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
        with torch.autocast("cuda", dtype, enabled, cache_enabled=False):  # a graph cannot hold cached casts
            self.replay: Any = torch.cuda.make_graphed_callables(_Forward(net), (x,), allow_unused_input=True)
        with torch.no_grad():
            for buffer, kept in zip(net.buffers(), before, strict=True):
                buffer.copy_(kept)

    def __call__(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes); the result of a replay is overwritten by the next."""
        logits: Tensor = self.replay(x) if x.shape == self.shape else self.net(x)
        return logits


class _Forward(nn.Module):
    """Stands in for the network, of which capturing replaces the forward method."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
