"""Run third-party modules in eval mode and leave them exactly as they were."""

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

CONTAINERS = (dict, OrderedDict, defaultdict, list, set, deque)  # not their subclasses, which may refuse it

NOTED = (*CONTAINERS, Tensor)


@contextmanager
def undisturbed(module: nn.Module, *, buffers: bool = True) -> Iterator[None]:
    """Eval mode within the context; afterwards modes, attributes, buffers and random generators are restored.

    With `buffers=False`, the values of buffers are not saved, for callers that do not write into them.

    `nn.Module.eval` is not called, because a module may override it to do more. The generators are those of Python,
    numpy, torch on the CPU, and torch on the GPUs that hold the module.
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
    """Afterwards restore every submodule's attributes, including the contents of dicts, lists and sets.

    A cache, a counter, or a weight that a hook computes before each call is thus as before; nested containers and the
    values of buffers and other tensors that are not parameters are restored as well.
    """
    before: dict[int, tuple[Any, Any]] = {}
    spared = [] if buffers else [*module.buffers()]
    before.update((id(buffer), ([], [])) for buffer in spared)
    for part in module.modules():
        _note(vars(part), before)
    _note([*module.buffers()], before)  # buffers of a scripted module are not attributes
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
    """Whether a container holds other objects than `held`; tensors are compared by identity, not by value."""
    if len(container) != len(held):
        return True
    others = any(map(is_not, container, held))
    return others or (isinstance(container, dict) and any(map(is_not, container.values(), held.values())))
