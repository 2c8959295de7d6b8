"""Counts of a module by torch itself: parameters, buffers, shapes, multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from fieldspec.analysis.modules.products import flop_formulas, is_counted
from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.analysis.proof.measurements.submodules import (
    Shapes,
    dtype_of,
    hooked,
    in_memory,
    inputs_for,
    on_meta,
    without_batch,
)
from fieldspec.blocks.formatting import first_line
from fieldspec.blocks.layers import Shape

Watching = AbstractContextManager[Any]


def measure_parameters(module: nn.Module, without: Collection[str] = ()) -> int:
    """Number of elements of all parameters, frozen or not, except those named in `without`."""
    return sum(parameter.numel() for name, parameter in module.named_parameters() if name not in without)


def measure_trainable_parameters(module: nn.Module, without: Collection[str] = ()) -> int:
    """Number of elements of the parameters that are not frozen, except those named in `without`."""
    named = module.named_parameters()
    return sum(parameter.numel() for name, parameter in named if parameter.requires_grad and name not in without)


def measure_buffers(module: nn.Module, without: Collection[str] = ()) -> int:
    """Number of elements of the persistent buffers, except those named in `without`."""
    state = module.state_dict()
    return sum(tensor.numel() for name, tensor in module.named_buffers() if name in state and name not in without)


def measure_weight_bytes(module: nn.Module, without: Collection[str] = ()) -> int:
    """Bytes of parameters and buffers in the module's own dtype; integers and complex numbers keep theirs."""
    state, width = module.state_dict(), dtype_of(module).itemsize
    named = [*module.named_parameters(), *[pair for pair in module.named_buffers() if pair[0] in state]]
    tensors = [tensor for name, tensor in named if name not in without]
    return sum(tensor.numel() * (width if tensor.is_floating_point() else tensor.element_size()) for tensor in tensors)


def measure_torchinfo_parameters(module: nn.Module, shape: Shapes) -> int:
    """Number of parameters according to torchinfo's summary of a forward pass.

    Raises:
        Unmeasurable: The pass fails, both without values and with them.
    """
    from torchinfo import summary

    reason = ""
    for copied in (on_meta, in_memory):
        quiet = copied(module)
        inputs = inputs_for(quiet, shape)
        sizes, dtypes = [tuple(x.shape) for x in inputs], [x.dtype for x in inputs]
        try:
            summed = summary(quiet, sizes, dtypes=dtypes, device=inputs[0].device, mode="eval", verbose=0)
            return int(summed.total_params)
        except Exception as error:  # torchinfo raises anything on modules that it does not expect
            reason = str(error.__cause__ or error)
    raise Unmeasurable(f"torchinfo does not run the network: {first_line(reason)}")


def measure_shapes(module: nn.Module, shape: Shapes, *, partly: bool = False) -> dict[str, Shape]:
    """Output shape of every submodule, without the batch, from a forward pass on the meta device.

    The key is the path; ``path:2`` for the second call of the same module; ``path[name]`` for one tensor of an output
    with several; '' is the network's own. If the network needs values, `partly` returns what it runs before.

    Example:
        >>> measure_shapes(nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 32, 32))["0"]
        (8, 30, 30)
    """
    shapes: dict[str, Shape] = {}

    def note(key: str, output: Tensor) -> None:
        shapes[key] = tuple(without_batch(output.shape))

    paths = [path for path, _ in module.named_modules()]
    _run(module, shape, partly, lambda ghost: hooked(ghost, paths, note))
    return shapes


def _run(module: nn.Module, shape: Shapes, partly: bool, watched: Callable[[nn.Module], Watching]) -> bool:
    """Run a copy on the meta device, or with values if it needs some and may not run `partly`.

    Returns:
        Whether it ran to its end.
    """
    ghost = on_meta(module).requires_grad_(False)
    try:
        with watched(ghost), torch.no_grad(), torch.device("meta"):
            ghost(*inputs_for(ghost, shape, device="meta"))
    except (NotImplementedError, RuntimeError):  # what torch raises if there are no values
        if partly:
            return False
        quiet = in_memory(module).requires_grad_(False)
        with watched(quiet), torch.no_grad(), _unfused():
            quiet(*inputs_for(quiet, shape))
    return True


@contextmanager
def _unfused() -> Iterator[None]:
    """Disable fused encoder and recurrent layers, whose products are not counted, as without values."""
    fused, mkldnn = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)
        torch._C._set_mkldnn_enabled(mkldnn)


class Seen(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Records the operations that run."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self.functions: set[OpOverload] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.functions.add(func)
        return func(*args, **(kwargs or {}))


def measure_macs(module: nn.Module, shape: Shapes, *, partly: bool = False) -> dict[str, int]:
    """Multiply-adds of every submodule by path, including nested modules and all calls; '' is the whole network.

    Nesting is by path: if a module runs a part of another one, that part counts for the other. This is half of what
    torch's FlopCounterMode counts in a forward pass on the meta device, with formulas for the few operations that it
    leaves out. If the network needs values, `partly` counts what it runs before.
    """
    return measure_macs_and_status(module, shape, partly=partly)[0]


def measure_macs_and_status(module: nn.Module, shape: Shapes, *, partly: bool = False) -> tuple[dict[str, int], str]:
    """Multiply-adds as above, and in the same pass whether all are counted.

    The status is `at_least` if an operation without a formula runs, or if a network that needs values and may run
    `partly` does not run to its end; else `exact`.
    """
    own: dict[str, int] = {}
    found = Seen()

    @contextmanager
    def watched(ghost: nn.Module) -> Iterator[None]:
        with found, _counted(ghost, own):
            yield

    ended = _run(module, shape, partly, watched)
    macs = dict.fromkeys(own, 0)
    for path, count in own.items():
        while path:
            macs[path] = macs.get(path, 0) + count
            path = path.rpartition(".")[0]
        macs[""] += count
    return macs, "exact" if ended and all(map(is_counted, found.functions)) else "at_least"


@contextmanager
def _counted(module: nn.Module, own: dict[str, int]) -> Iterator[None]:
    """Count for each submodule what runs in its own code, in all its calls."""
    own.clear()
    own |= dict.fromkeys((path for path, _ in module.named_modules()), 0)
    calls: list[tuple[str, int]] = [("", 0)]  # running calls, each with the count at its last switch
    with FlopCounterMode(display=False, custom_mapping=flop_formulas()) as counter, ExitStack() as handles:

        def turn() -> None:
            path, since = calls.pop()
            total = counter.get_total_flops() // 2
            own[path] += total - since
            calls.append((path, total))

        def begins(path: str) -> None:
            turn()
            calls.append((path, calls[-1][1]))

        def ends() -> None:
            turn()
            _, total = calls.pop()
            calls.append((calls.pop()[0], total))

        for path, part in module.named_modules():
            before = part.register_forward_pre_hook(lambda *_, path=path: begins(path))
            after = part.register_forward_hook(lambda *_: ends(), always_call=True)
            handles.callback(before.remove)
            handles.callback(after.remove)
        yield
        turn()
