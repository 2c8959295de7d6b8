"""A module in eval mode for a while, and everything as it was afterwards."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; outside, the mode of every submodule and all generators as they were.

    So are tensors that are neither parameters nor buffers, such as the weight that a hook makes before each call.
    """
    training = [part for part in module.modules() if part.training]
    tensors = [(part, _own_tensors(part)) for part in module.modules()]
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    state = numpy.random.get_state() if numpy is not None else None
    cpu = torch.get_rng_state()
    for part in training:
        part.training = False
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch would do with values
            yield
    finally:
        for part in training:
            part.training = True
        for part, before in tensors:
            for name in _own_tensors(part).keys() - before.keys():
                del part.__dict__[name]
            part.__dict__.update(before)
        torch.set_rng_state(cpu)
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(state)


def _own_tensors(part: nn.Module) -> dict[str, Tensor]:
    return {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}
