"""Container modules: chains, parallel branches, arbitrary wiring; and merges as modules of their own.

None stores a shape or works in place. All support torch.jit.script, torch.fx, torch.export,
torch.compile(fullgraph=True) and ONNX. Annotations are evaluated here (no ``from __future__``): TorchScript
cannot read them as strings from a traced module.
"""

import copy
import keyword
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from fieldspec.blocks.errors import FieldspecError


class Chain(nn.Sequential):
    """Named modules in series."""

    # Without it TorchScript would give chains of the same modules in different orders one type
    __constants__ = ("child_order",)

    def __init__(self, blocks: Mapping[str, nn.Module]) -> None:
        super().__init__(OrderedDict(blocks))
        self.child_order = " ".join(blocks)
        self.grad_checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, ...) -> the output of the last module."""
        if self.grad_checkpointing and self.training and not torch.jit.is_scripting():
            return checkpoint(self.run, x, use_reentrant=False)
        return self.run(x)

    def run(self, x: Tensor) -> Tensor:
        """Run `forward` without checkpointing."""
        for block in self:
            x = block(x)
        return x


class Parallel(nn.ModuleDict):
    """Named modules that read the same input; subclasses define the merge of their outputs."""

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
        """Run `forward` without checkpointing."""
        outputs: list[Tensor] = []
        for branch in self.values():
            outputs.append(branch(x))  # TorchScript unrolls loops over modules, but not comprehensions
        return self.merge(outputs)

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> the merged tensor."""
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
    """The outputs of its branches, concatenated along channels."""

    def merge(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


class Wired(fx.GraphModule):
    """Named modules, each reading the modules listed in `sources`: 0 is the input, n + 1 the output of module n.

    The forward pass is generated code, so it is scripted and exported as written, and each map is freed after its last
    reader.
    """

    def __init__(self, blocks: Mapping[str, nn.Module], sources: Sequence[Sequence[int]]) -> None:
        super().__init__(nn.Module(), fx.Graph(), "Wired")
        self.sources = tuple(map(tuple, sources))
        self.grad_checkpointing = False
        wire(self, blocks, self.sources, ())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call `forward`, which is generated and thus not overridden; with checkpointing if enabled."""
        if self.grad_checkpointing and self.training:
            return checkpoint(super().__call__, *args, use_reentrant=False, **kwargs)
        return super().__call__(*args, **kwargs)

    def __reduce__(self) -> Any:
        """Pickle and copy as `Wired`; torch's own method would restore a plain GraphModule."""
        kept = {*nn.Module().__dict__, "grad_checkpointing"} - {"_modules"}
        return Wired, (dict(self.named_children()), self.sources), {key: self.__dict__[key] for key in kept}

    def __deepcopy__(self, memo: dict[int, Any]) -> "Wired":
        build, arguments, state = self.__reduce__()
        memo[id(self)] = made = build(*copy.deepcopy(arguments, memo))
        made.__dict__.update(copy.deepcopy(state, memo))
        return made  # type: ignore[no-any-return]


def wire(
    holder: fx.GraphModule, blocks: Mapping[str, nn.Module], sources: Sequence[Sequence[int]], outputs: Sequence[int]
) -> None:
    """Put the modules into `holder` and generate its forward pass; a module that reads several gets them as a list.

    The output is a list of `outputs`, or the output of the last module if `outputs` is empty.
    """
    graph = fx.Graph()
    values = [graph.placeholder("x")]
    for (name, module), read in zip(blocks.items(), sources, strict=True):
        for part in name.split("."):
            check_name(part)
        holder.add_submodule(name, module)
        inputs = [values[source] for source in read]
        values.append(graph.call_module(name, (inputs if len(inputs) > 1 else inputs[0],)))
    graph.output([values[output] for output in outputs] or values[-1])
    holder.graph = graph


def add(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list to free memory."""
    total = tensors.pop(0)
    while len(tensors) > 0:
        total = total + tensors.pop(0)
    return total


def multiply(tensors: list[Tensor]) -> Tensor:
    """n x (batch, channels, height, width) -> (batch, channels, height, width); empties the list to free memory."""
    product = tensors.pop(0)
    while len(tensors) > 0:
        product = product * tensors.pop(0)
    return product


class AddTensors(nn.Module):
    """Sum of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return add(list(tensors))


class MultiplyTensors(nn.Module):
    """Product of a list of tensors."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels, height, width) -> (batch, channels, height, width)."""
        return multiply(list(tensors))


class ConcatTensors(nn.Module):
    """Concatenation of a list of tensors along channels."""

    def forward(self, tensors: list[Tensor]) -> Tensor:
        """n x (batch, channels_i, height, width) -> (batch, sum of channels_i, height, width)."""
        return torch.cat(tensors, 1)


def check_name(name: str) -> None:
    """Raise unless the name is valid for a submodule: `train`, `items` and `if` would break its parent.

    Example:
        >>> check_name("train")
        Traceback (most recent call last):
        ...
        fieldspec.blocks.errors.FieldspecError: 'train' is reserved by Python or torch.nn.Module; choose another name
    """
    if (
        name == "self"
        or keyword.iskeyword(name)
        or any(hasattr(kind, name) for kind in (nn.Sequential, nn.ModuleDict, fx.GraphModule))
    ):
        raise FieldspecError(f"{name!r} is reserved by Python or torch.nn.Module; choose another name")
