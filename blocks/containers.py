"""Modules that contain others: chains, and branches that meet; and merges on their own.

None stores a shape or works in place, and all support torch.jit.script, torch.fx, torch.export,
torch.compile(fullgraph=True) and ONNX. Annotations are evaluated here (no ``from __future__``): TorchScript
cannot read them as strings from a traced module.
"""

import keyword
from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from fieldspec.blocks.errors import FieldspecError


class Chain(nn.Sequential):
    """Named modules in series."""

    __constants__ = ("child_order",)  # else TorchScript takes chains of the same modules for one, whatever their order

    def __init__(self, blocks: Mapping[str, nn.Module]) -> None:
        super().__init__(OrderedDict(blocks))
        self.child_order = " ".join(blocks)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """The input of the first -> the output of the last."""
        if self.grad_checkpointing and self.training and not torch.jit.is_scripting():
            return checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """`forward` without checkpointing."""
        for block in self:
            x = block(x)
        return x


class Parallel(nn.ModuleDict):
    """Named modules that read the same input; subclasses define how their outputs meet."""

    __constants__ = ("child_order",)

    def __init__(self, branches: Mapping[str, nn.Module]) -> None:
        super().__init__(branches)
        self.child_order = " ".join(branches)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, height, width) -> the merged outputs of the branches."""
        if self.grad_checkpointing and self.training and not torch.jit.is_scripting():
            return checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """`forward` without checkpointing."""
        outputs: list[Tensor] = []
        for branch in self.values():
            outputs.append(branch(x))  # TorchScript unrolls a loop over modules, no comprehension
        return self.merge(outputs)

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> one."""
        raise NotImplementedError


class Add(Parallel):
    """The sum of its branches."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return add(tensors)


class Multiply(Parallel):
    """The product of its branches."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return multiply(tensors)


class Concat(Parallel):
    """Its branches side by side along channels."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


def add(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list as it goes."""
    total = tensors.pop(0)
    while len(tensors) > 0:
        total = total + tensors.pop(0)
    return total


def multiply(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list as it goes."""
    product = tensors.pop(0)
    while len(tensors) > 0:
        product = product * tensors.pop(0)
    return product


class AddTensors(nn.Module):
    """The sum of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return add(list(tensors))


class MultiplyTensors(nn.Module):
    """The product of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return multiply(list(tensors))


class ConcatTensors(nn.Module):
    """A list of tensors side by side along channels."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


def check_name(name: str) -> None:
    """Raise unless a module may have this name: `train`, `items` and `if` would break its parent.

    Example:
        >>> check_name("train")
        Traceback (most recent call last):
        ...
        fieldspec.blocks.errors.FieldspecError: 'train' is a word of Python or of torch's modules; choose another name
    """
    if keyword.iskeyword(name) or any(hasattr(kind, name) for kind in (nn.Sequential, nn.ModuleDict, fx.GraphModule)):
        raise FieldspecError(f"{name!r} is a word of Python or of torch's modules; choose another name")
