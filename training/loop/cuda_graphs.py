"""CUDA graphs, because kernel launches take longer than the computation of a small network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress torch's warnings about the streams of captured graphs."""
    with warnings.catch_warnings():
        for remark in ("Attempting to run cuBLAS", "The AccumulateGrad node's stream"):
            warnings.filterwarnings("ignore", remark, UserWarning)
        yield


class Graphed:
    """A network in training whose forward and backward passes are each captured once and replayed with one launch.

    Only batches of the captured shape are replayed; others run as usual. Capturing does not change the network.

    Args:
        net: The network, on a GPU and in training mode.
        shape: Shape of the batches: batch, channels, height, width.
        layout: Memory format of the batches.
    """

    def __init__(self, net: nn.Module, shape: tuple[int, ...], layout: torch.memory_format) -> None:
        self.net, self.shape = net, torch.Size(shape)
        x = torch.zeros(shape, device=next(net.parameters()).device).contiguous(memory_format=layout)
        before = [buffer.clone() for buffer in net.buffers()]
        dtype, enabled = torch.get_autocast_dtype("cuda"), torch.is_autocast_enabled("cuda")
        with torch.autocast("cuda", dtype, enabled, cache_enabled=False):  # a graph cannot contain cached casts
            self.replay: Any = torch.cuda.make_graphed_callables(_Forward(net), (x,), allow_unused_input=True)
        with torch.no_grad():
            for buffer, kept in zip(net.buffers(), before, strict=True):
                buffer.copy_(kept)

    def __call__(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) -> (batch, classes), overwritten by the next replay."""
        logits: Tensor = self.replay(x) if x.shape == self.shape else self.net(x)
        return logits


class _Forward(nn.Module):
    """Wraps the network, because capturing replaces the `forward` of what it captures."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.net(x)
        return logits
