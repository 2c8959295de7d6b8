"""What torch itself counts of a module: parameters, buffers, shapes, multiply-adds."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fieldspec.blocks.layers import Shape


def measure_parameters(module: nn.Module) -> int:
    """Elements of the parameters that train."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def measure_buffers(module: nn.Module) -> int:
    """Elements of the buffers that the state keeps."""
    state = module.state_dict()
    return sum(state[name].numel() for name, _ in module.named_buffers() if name in state)


def measure_torchinfo_parameters(module: nn.Module, shape: Shape) -> int:
    """Trainable parameters as torchinfo's summary of a forward pass counts them."""
    from torchinfo import summary

    ghost = _on_meta(module)
    dtypes = [_input(ghost, shape).dtype]
    summed = summary(ghost, input_size=(1, *shape), device="meta", dtypes=dtypes, mode="eval", verbose=0)
    return int(summed.trainable_params)


def measure_shapes(module: nn.Module, shape: Shape) -> dict[str, Shape]:
    """Output shape of every submodule by its path, without the batch, from a forward pass on the meta device.

    Example:
        >>> measure_shapes(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 32, 32))["0"]
        (8, 30, 30)
    """
    shapes: dict[str, Shape] = {}
    ghost = _on_meta(module)

    def note(path: str, output: Any) -> None:
        if isinstance(output, Tensor):
            shapes[path] = tuple(output.shape[1:])

    with hooked(ghost, [path for path, _ in ghost.named_modules()], note), torch.no_grad():
        ghost(_input(ghost, shape))
    return shapes


def measure_macs(module: nn.Module, shape: Shape) -> dict[str, int]:
    """Multiply-adds of every submodule by its path, those inside it counted; '' is the whole.

    Half of what torch's FlopCounterMode counts of the operations under a forward pass on the meta device.
    """
    ghost = _on_meta(module)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        ghost(_input(ghost, shape))
    root = type(ghost).__name__
    macs = dict.fromkeys((path for path, _ in ghost.named_modules()), 0)
    for name, counts in counter.get_flop_counts().items():
        path = "" if name == "Global" else name.removeprefix(root).removeprefix(".")
        if path in macs:
            macs[path] = sum(counts.values()) // 2
    return macs


@contextmanager
def hooked(module: nn.Module, paths: list[str], note: Any) -> Iterator[None]:
    """Calls ``note(path, output)`` after the forward pass of each submodule in `paths`."""
    handles = []
    for path in paths:
        hook = _hook(path, note)
        handles.append(module.get_submodule(path).register_forward_hook(hook))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(path: str, note: Any) -> Any:
    return lambda module, inputs, output: note(path, output)


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy in eval mode that has shapes and no values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # third-party modules may warn when copied
        return copy.deepcopy(module).to("meta").eval()


def _input(ghost: nn.Module, shape: Shape) -> Tensor:
    """One example of the module's own type, without values."""
    like = next(ghost.parameters(), torch.empty(0))
    return torch.empty(1, *shape, device="meta", dtype=like.dtype)
