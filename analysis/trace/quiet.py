"""A module in eval mode for a while, and everything as it was afterwards."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from fieldspec.analysis.attributes import attributes_kept


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients inside; outside, every submodule and all generators as they were."""
    training = [part for part in module.modules() if part.training]
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    state = numpy.random.get_state() if numpy is not None else None
    cpu = torch.get_rng_state()
    try:
        with attributes_kept(module), torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch would do with values
            for part in training:
                part.training = False
            yield
    finally:
        for part in training:
            part.training = True
        torch.set_rng_state(cpu)
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(state)
