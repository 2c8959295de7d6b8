"""A stranger's module, run in eval mode and left exactly as it was."""

from __future__ import annotations

import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_not
from typing import Any

import torch
from torch import Tensor, nn

CONTAINERS = (dict, OrderedDict, defaultdict, list, set, deque)  # and nothing that derives from them: it may refuse

NOTED = (*CONTAINERS, Tensor)


@contextmanager
def undisturbed(module: nn.Module, *, buffers: bool = True) -> Iterator[None]:
    """Eval mode inside; outside, modes, attributes, buffers and every generator of random numbers are as they were.

    Where nothing is written into the values of `buffers`, they need not be kept.

    `nn.Module.eval` is not called, because a module may override it to do more. Generators are Python's, numpy's,
    torch's on the CPU, and torch's on the GPUs that the module lies on.
    """
    training = [part for part in module.modules() if part.training]
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    state = numpy.random.get_state() if numpy is not None else None
    gpus = {tensor.device for tensor in [*module.parameters(), *module.buffers()] if tensor.device.type == "cuda"}
    try:
        with attributes_kept(module, buffers=buffers), torch.random.fork_rng(devices=sorted(gpus, key=str)):
            for part in training:
                part.training = False
            yield
    finally:
        for part in training:
            part.training = True
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(state)


@contextmanager
def attributes_kept(module: nn.Module, *, buffers: bool = True) -> Iterator[None]:
    """Afterwards every submodule has its attributes, and dicts, lists and sets among them hold what they held.

    So a cache, a counter, or a weight that a hook makes before each call is as it was; containers within containers
    and the values of buffers and other tensors that are not parameters are restored as well.
    """
    before: dict[int, tuple[Any, Any]] = {}
    spared = [] if buffers else [*module.buffers()]
    before.update((id(buffer), ([], [])) for buffer in spared)
    for part in module.modules():
        _note(vars(part), before)
    _note([*module.buffers()], before)  # those of a scripted module are not attributes
    try:
        yield
    finally:
        for value, held in before.values():
            if isinstance(value, Tensor):
                if not torch.equal(value, held):
                    value.detach().copy_(held)
            elif _differ(value, held):
                value.clear()
                value.extend(held) if isinstance(value, list | deque) else value.update(held)


def _note(value: Any, before: dict[int, tuple[Any, Any]]) -> None:
    if id(value) in before:
        return
    if type(value) in CONTAINERS:
        before[id(value)] = value, value.copy()
        for part in value.values() if isinstance(value, dict) else value:
            if type(part) in NOTED:
                _note(part, before)
    elif type(value) is Tensor and value.layout == torch.strided and not value.is_meta:
        before[id(value)] = value, value.detach().clone()


def _differ(container: Any, held: Any) -> bool:
    """Whether others stand in one than in the other, however equal: tensors are not compared by value."""
    if len(container) != len(held):
        return True
    others = any(map(is_not, container, held))
    return others or (isinstance(container, dict) and any(map(is_not, container.values(), held.values())))
