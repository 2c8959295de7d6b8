"""Runs third-party modules and records the outputs of their submodules."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.blocks.layers import Shape

Shapes = Shape | Sequence[Shape]  # of the only input, or of each
Note = Callable[[str, Tensor], None]
_KEY = re.compile(r"^(?P<path>.*?)(:(?P<call>\d+))?(?P<item>\[.*)?$")


def shapes_of(shape: Shapes) -> tuple[Shape, ...]:
    """One shape per input.

    Example:
        >>> shapes_of((3, 32, 32)), shapes_of([(3, 32, 32), (4,)])
        (((3, 32, 32),), ((3, 32, 32), (4,)))
    """
    if all(isinstance(size, int) for size in shape):
        return (tuple(shape),)  # type: ignore[arg-type]  # numbers
    return tuple(tuple(one) for one in shape)  # type: ignore[arg-type]  # shapes


def without_batch(shape: Sequence[int]) -> list[int]:
    """Sizes of one example's tensor; for sequences, the batch may come second or be missing.

    Example:
        >>> without_batch((1, 3, 4)), without_batch((7, 1, 8)), without_batch((7, 8))
        ([3, 4], [7, 8], [7, 8])
    """
    sizes = list(shape)
    if 1 in sizes:
        sizes.remove(1)
    return sizes


def module_of(key: str) -> str:
    """The path of the module whose output has this key.

    Example:
        >>> module_of("layer1.relu:2"), module_of("backbone[out]"), module_of("")
        ('layer1.relu', 'backbone', '')
    """
    match = _KEY.match(key)
    return match["path"] if match else key


@contextmanager
def hooked(module: nn.Module, keys: Iterable[str], note: Note) -> Iterator[None]:
    """Call ``note(key, output)`` after the forward pass of each submodule among `keys`.

    The key of a submodule's first output is its path, that of its second call ``path:2``. If an output holds several
    tensors, each has its own key, ``path[name]``; the main one, the first of a tuple or mapping and the last of a list,
    also has the path itself.
    """
    known = {path for path, _ in module.named_modules(remove_duplicate=False)}
    paths = dict.fromkeys(module_of(key) for key in keys)
    handles = [
        module.get_submodule(path).register_forward_hook(_hook(path, note), always_call=False)
        for path in paths
        if path in known
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(path: str, note: Note) -> Any:
    calls = 0

    def noted(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal calls
        calls += 1
        key = path if calls == 1 else f"{path}:{calls}"
        found = list(_tensors(output))
        for item, tensor in found:
            note(key + item, tensor)
        if found and found[0][0]:
            note(key, found[-1 if isinstance(output, list) else 0][1])

    return noted


def _tensors(value: Any, item: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in nested tuples, lists and dicts, each with its path."""
    if isinstance(value, Tensor):
        yield item, value
    elif isinstance(value, list | tuple):
        names = getattr(value, "_fields", range(len(value)))
        for name, part in zip(names, value, strict=True):
            yield from _tensors(part, f"{item}[{name}]")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _tensors(part, f"{item}[{name}]")


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread: for thousands of small operations on a busy machine, several would be a hundred times slower."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def on_meta(module: nn.Module) -> nn.Module:
    """A copy in eval mode with shapes but no values; no weights are copied on the way."""
    return _copied(module, lambda tensor: tensor.to("meta")).to("meta").eval()


def in_memory(module: nn.Module) -> nn.Module:
    """A copy in eval mode with its values, and zeros for meta tensors."""
    return _copied(
        module, lambda tensor: torch.zeros_like(tensor, device="cpu") if tensor.is_meta else tensor.clone()
    ).eval()


def _copied(module: nn.Module, held: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy with its tensors replaced by these."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(held(parameter.detach()), parameter.requires_grad)
    for buffer in module.buffers():
        memo[id(buffer)] = held(buffer.detach())
    return copy.deepcopy(module, memo)


def inputs_for(module: nn.Module, shape: Shapes, batch: int = 1, device: str | None = None) -> list[Tensor]:
    """Zeros of the module's dtype, one tensor per input."""
    where = device or next(module.parameters(), torch.empty(0)).device
    return [torch.zeros(batch, *one, device=where, dtype=dtype_of(module)) for one in shapes_of(shape)]


def dtype_of(module: nn.Module) -> torch.dtype:
    """The dtype the module computes in: that of its first real floating parameter, as integer tables may come first.

    Example:
        >>> dtype_of(nn.Linear(2, 2, dtype=torch.float64))
        torch.float64
    """
    return next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.get_default_dtype())
