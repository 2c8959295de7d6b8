"""What torch itself counts of a module: parameters, buffers, shapes, multiply-adds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fieldspec.analysis.modules.products import flop_formulas, is_counted
from fieldspec.analysis.proof.measurements.submodules import (
    Shapes,
    dtype_of,
    hooked,
    inputs_for,
    on_meta,
    shapes_of,
)
from fieldspec.blocks.layers import Shape


def measure_parameters(module: nn.Module, without: Collection[str] = ()) -> int:
    """Elements of the parameters, frozen or not, those of some names left out."""
    return sum(parameter.numel() for name, parameter in module.named_parameters() if name not in without)


def measure_trainable_parameters(module: nn.Module, without: Collection[str] = ()) -> int:
    """Elements of the parameters that are not frozen, those of some names left out."""
    named = module.named_parameters()
    return sum(parameter.numel() for name, parameter in named if parameter.requires_grad and name not in without)


def measure_buffers(module: nn.Module, without: Collection[str] = ()) -> int:
    """Elements of the buffers that the state keeps, those of some names left out."""
    state = module.state_dict()
    return sum(tensor.numel() for name, tensor in module.named_buffers() if name in state and name not in without)


def measure_weight_bytes(module: nn.Module, without: Collection[str] = ()) -> int:
    """Bytes of parameters and buffers in the dtype that the module computes in, except integers and complex numbers."""
    state, width = module.state_dict(), dtype_of(module).itemsize
    named = [*module.named_parameters(), *[pair for pair in module.named_buffers() if pair[0] in state]]
    tensors = [tensor for name, tensor in named if name not in without]
    return sum(tensor.numel() * (width if tensor.is_floating_point() else tensor.element_size()) for tensor in tensors)


def measure_torchinfo_parameters(module: nn.Module, shape: Shapes) -> int:
    """Parameters as torchinfo's summary of a forward pass counts them."""
    from torchinfo import summary

    ghost = on_meta(module)
    sizes = [(1, *one) for one in shapes_of(shape)]
    dtypes = [x.dtype for x in inputs_for(ghost, shape)]
    summed = summary(ghost, input_size=sizes, device="meta", dtypes=dtypes, mode="eval", verbose=0)
    return int(summed.total_params)


def measure_shapes(module: nn.Module, shape: Shapes, *, partly: bool = False) -> dict[str, Shape]:
    """Output shape of every submodule, without the batch, from a forward pass on the meta device.

    The key is the path; ``path:2`` for the second call of the same module; ``path[name]`` for one tensor of an
    output that has several. '' is the network's own. Of a network that needs values `partly` gives what it runs before.

    Example:
        >>> measure_shapes(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 32, 32))["0"]
        (8, 30, 30)
    """
    shapes: dict[str, Shape] = {}
    ghost = on_meta(module)

    def note(key: str, output: Tensor) -> None:
        shape = list(output.shape)
        if 1 in shape:  # the batch; sequences may stand before it, or have none
            shape.remove(1)
        shapes[key] = tuple(shape)

    with hooked(ghost, [path for path, _ in ghost.named_modules()], note), torch.no_grad(), torch.device("meta"):
        _run(ghost, shape, partly)
    return shapes


def _run(ghost: nn.Module, shape: Shapes, partly: bool) -> bool:
    """Whether it ran to its end."""
    try:
        ghost(*inputs_for(ghost, shape, device="meta"))
    except (NotImplementedError, RuntimeError):  # torch's two ways to say that there are no values
        if not partly:
            raise
        return False
    return True


def measure_macs_status(module: nn.Module, shape: Shapes, *, partly: bool = False) -> str:
    """`at_least` if an operation runs on the meta device that no formula is known for, else `exact`.

    A network that needs values and may run `partly` is `at_least` if it does.
    """
    ghost, found = on_meta(module), Seen()
    with found, FlopCounterMode(display=False, custom_mapping=flop_formulas()), torch.no_grad(), torch.device("meta"):
        ended = _run(ghost, shape, partly)
    return "exact" if ended and all(map(is_counted, found.functions)) else "at_least"


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """The operations that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.functions: set[OpOverload] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.functions.add(func)
        return func(*args, **(kwargs or {}))


def measure_macs(module: nn.Module, shape: Shapes, *, partly: bool = False) -> dict[str, int]:
    """Multiply-adds of every submodule by its path, those inside it and all its calls counted; '' is the whole.

    Half of what torch's FlopCounterMode counts of the operations under a forward pass on the meta device, with formulas
    for the few that it leaves out. Of a network that needs values `partly` counts what it runs before.
    """
    ghost = on_meta(module)
    with (
        FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter,
        torch.no_grad(),
        torch.device("meta"),
    ):
        _run(ghost, shape, partly)
    root = type(ghost).__name__
    macs = dict.fromkeys((path for path, _ in ghost.named_modules()), 0)
    for name, counts in counter.get_flop_counts().items():
        path = "" if name == "Global" else name.removeprefix(root).removeprefix(".")
        if path in macs:
            macs[path] = sum(counts.values()) // 2
    return macs
