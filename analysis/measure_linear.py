"""A module run as if it were linear and positive, so that no gradient cancels and none dies.

Under this mode weights are uniform and positive, biases 0, norms and activations the identity, max pooling the
average of the same windows, and the module itself stays as it is: what is replaced are torch's functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor
from torch.overrides import TorchFunctionMode

Call = tuple[str, tuple[tuple[int, ...], ...], tuple[int, ...]]  # name, (height, width) of each operand, of the output


class Unmeasurable(Exception):  # noqa: N818  # not an error of the module
    """A number that cannot be measured on this module; the message says why."""


class Linearized(TorchFunctionMode):
    """Replaces torch's functions by linear ones with positive weights; a product stays one, of positive maps.

    `reference` holds the calls of a run at the module's own input. On a larger input, resizing and adaptive pooling
    then keep their ratio of output to input, and what was one unit spread over a map there stays one unit.
    With `cut` no gradient flows through operations that read the whole map.
    """

    def __init__(self, reference: Sequence[Call] | None = None, *, cut: bool = True) -> None:
        super().__init__()
        self.reference = reference
        self.cut = cut
        self.calls: list[Call] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").strip("_")
        rule = _RULES.get(name)
        if rule is None:
            return func(*args, **kwargs)
        operands = _maps(args)
        if not operands:
            return func(*args, **kwargs)
        own = self._own(name, operands)
        output = rule(self, own, func, *args, **kwargs)
        self.calls.append((name, tuple(_size(x) for x in operands), _size(output)))
        return output

    def _own(self, name: str, operands: list[Tensor]) -> Call:
        """The same call at the module's own input."""
        if self.reference is None:
            return (name, tuple(_size(x) for x in operands), ())
        at = len(self.calls)
        if at >= len(self.reference) or self.reference[at][0] != name:
            raise Unmeasurable("the network takes another path on a larger input")
        return self.reference[at]

    def without_place(self, pooled: Tensor) -> Tensor:
        """The output of an operation that reads the whole map: a constant where gates are cut."""
        return pooled.detach() if self.cut else pooled


Rule = Callable[..., Any]
_RULES: dict[str, Rule] = {}


def _rule(*names: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        _RULES.update(dict.fromkeys(names, function))
        return function

    return register


def _on_each_channel(rule: Rule) -> Rule:
    """A rule that does to one channel what it does to all."""

    def on_each(run: Linearized, own: Call, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        channel = slim(x)
        output: Tensor = rule(run, own, func, channel, *args, **kwargs)
        return output if channel is x else _broad(output, x.shape[1])

    return on_each


@_rule(
    *("relu", "relu6", "hardtanh", "leaky_relu", "elu", "celu", "selu", "silu", "gelu", "mish", "softplus", "prelu"),
    *("hardswish", "hardsigmoid", "sigmoid", "tanh", "batch_norm", "dropout", "dropout2d", "alpha_dropout"),
)
def _identity(run: Linearized, own: Call, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return x


@_rule("conv2d")
def _conv(
    run: Linearized, own: Call, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """A uniform kernel on the mean of each group's channels, spread over the group's outputs."""
    means = _group_means(x, groups)
    output = func(means, _uniform(means, weight), None, stride, padding, dilation, means.shape[1])
    return _spread(output, weight.shape[0])


@_rule("conv_transpose2d")
def _conv_transpose(
    run: Linearized, own: Call, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    means = _group_means(x, groups)
    output = func(means, _uniform(means, weight), None, stride, padding, output_padding, means.shape[1], dilation)
    return _spread(output, weight.shape[1] * groups)


@_rule("linear")
def _linear(run: Linearized, own: Call, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    return x.mean(-1, keepdim=True).expand(*x.shape[:-1], weight.shape[0])


@_rule("layer_norm")
def _layer_norm(
    run: Linearized, own: Call, func: Any, /, x: Tensor, shape: Sequence[int], *args: Any, **kw: Any
) -> Tensor:
    """Over channels each unit reads all of its own channels; over more it reads the map."""
    dims = tuple(range(-len(shape), 0))
    return (x + (x.mean(dims, keepdim=True) if len(shape) == 1 else run.without_place(x.mean(dims, keepdim=True)))) / 2


@_rule("group_norm", "instance_norm")
@_on_each_channel
def _group_norm(run: Linearized, own: Call, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return (x + run.without_place(x.mean((1, 2, 3), keepdim=True))) / 2


@_rule("max_pool2d", "avg_pool2d")
@_on_each_channel
def _pool(
    run: Linearized, own: Call, func: Any, /, x: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    *args: Any, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """The average; a window that covers the module's own map is the whole map's."""
    if func.__name__ == "max_pool2d":
        dilation, ceil_mode = _take(args, kwargs, "dilation", "ceil_mode")
        if dilation not in (None, 1, (1, 1), [1, 1]):
            raise Unmeasurable("dilated max pooling has no average of the same windows")
    else:
        (ceil_mode,) = _take(args, kwargs, "ceil_mode")
    kernel, sides = _pair(kernel_size), _pair(padding)
    if run.reference is not None and all(k - p >= size for k, p, size in zip(kernel, sides, own[1][0], strict=True)):
        return run.without_place(x.mean((2, 3), keepdim=True))
    return F.avg_pool2d(x, kernel, stride or kernel, sides, bool(ceil_mode), True)


@_rule("adaptive_avg_pool2d", "adaptive_max_pool2d")
@_on_each_channel
def _adaptive(
    run: Linearized, own: Call, func: Any, /, x: Tensor, output_size: Any, *args: Any, **kwargs: Any
) -> Tensor:
    if run.reference is None:
        return F.adaptive_avg_pool2d(x, output_size)
    if own[2] == (1, 1):
        return run.without_place(x.mean((2, 3), keepdim=True))
    return F.adaptive_avg_pool2d(x, _in_ratio(x, own))


@_rule("interpolate")
@_on_each_channel
def _interpolate(run: Linearized, own: Call, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Resizing along each axis by the matrix of torch's own weights, every weight that is not 0 made positive."""
    if run.reference is None:
        return func(x, *args, **kwargs)  # type: ignore[no-any-return]
    if own[1][0] == (1, 1) != own[2]:
        return run.without_place(x.mean((2, 3), keepdim=True))  # one unit spread over a map stays one
    how = kwargs.get("mode", args[2] if len(args) > 2 else "nearest")
    if kwargs.get("align_corners"):
        raise Unmeasurable("resizing with align_corners has other windows at every size")
    for axis, size in enumerate(_in_ratio(x, own)):
        sizes = (own[1][0][axis], own[2][axis], x.shape[2 + axis], size)
        x = torch.movedim(torch.movedim(x, 2 + axis, -1) @ _resize_matrix(how, *sizes).to(x), -1, 2 + axis)
    return x


@_rule("add", "sub", "iadd", "isub", "radd", "rsub")
def _add(run: Linearized, own: Call, func: Any, /, x: Any, y: Any, **kwargs: Any) -> Any:
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        return x if isinstance(x, Tensor) else y
    return _merged(run, own, x, y, lambda x, y: (x + y) / 2)  # so that a thousand sums stay finite


@_rule("mul", "imul", "rmul", "div", "truediv", "itruediv")
def _multiply(run: Linearized, own: Call, func: Any, /, x: Any, y: Any, **kwargs: Any) -> Any:
    """A product of positive maps: what a bias would add keeps a map that is 0 from hiding the other."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        return x if isinstance(x, Tensor) else y
    return _merged(run, own, x, y, lambda x, y: (x + 1) * (y + 1) / 4)


@_rule("cat", "concat", "concatenate")
def _concat(run: Linearized, own: Call, func: Any, /, tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Tensor:
    if dim not in (1, -3) or any(x.dim() != 4 for x in tensors):
        return torch.cat(list(tensors), dim)
    met = _met(run, own, tensors)
    size = max(tuple(x.shape[2:]) for x in met)
    return torch.cat([x.expand(-1, -1, *size) for x in met], 1)


@_rule("mean", "amax", "sum")
def _reduce(run: Linearized, own: Call, func: Any, /, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    dims = kwargs.get("dim", args[0] if args else None)
    keepdim = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
    axes = {d % x.dim() for d in ([dims] if isinstance(dims, int) else dims or range(x.dim()))}
    mean = x.mean(sorted(axes), keepdim=keepdim)
    return run.without_place(mean) if x.dim() == 4 and axes & {2, 3} else mean


# ------------------------------------------------------------------------------------------- helpers


def _maps(args: Sequence[Any]) -> list[Tensor]:
    """The tensors among a function's positional arguments that are its operands, not its weights."""
    if args and isinstance(args[0], list | tuple):
        return [x for x in args[0] if isinstance(x, Tensor)]
    operands = [x for x in args[:2] if isinstance(x, Tensor)]
    return operands[:1] if operands and not isinstance(args[0], Tensor) else operands


def _size(x: Any) -> tuple[int, ...]:
    return tuple(x.shape[2:]) if isinstance(x, Tensor) and x.dim() == 4 else ()


def slim(x: Tensor) -> Tensor:
    """The one channel that stands for all channels of a map where they are the same, else the map.

    Under uniform weights all outputs of a convolution that mixes channels are: computing one saves the others.
    """
    return getattr(x, "slim", x)


def _broad(channel: Tensor, channels: int) -> Tensor:
    """A map of so many channels, all of them this one."""
    x = channel.expand(-1, channels, -1, -1)
    x.slim = channel  # type: ignore[attr-defined]  # a note on this one tensor
    return x


def _group_means(x: Tensor, groups: int) -> Tensor:
    """The mean of each group's channels; one is enough where all are the same."""
    x = slim(x)
    batch, channels, *size = x.shape
    return x if channels in (1, groups) else x.reshape(batch, groups, channels // groups, *size).mean(2)


def _uniform(x: Tensor, weight: Tensor) -> Tensor:
    """A depthwise kernel for `x` of the size of `weight`."""
    height, width = weight.shape[2:]
    return torch.full((x.shape[1], 1, height, width), 1 / (height * width), dtype=x.dtype, device=x.device)


def _spread(x: Tensor, channels: int) -> Tensor:
    """Each group's output to all of its channels."""
    batch, groups, *size = x.shape
    if groups == 1:
        return _broad(x, channels)
    return x.unsqueeze(2).expand(batch, groups, channels // groups, *size).reshape(batch, channels, *size)


def _merged(run: Linearized, own: Call, x: Tensor, y: Tensor, merge: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Two maps to one, on a single channel where all channels of both are the same."""
    if slim(x) is x or slim(y) is y:
        return merge(*_met(run, own, [x, y]))
    return _broad(merge(*_met(run, own, [slim(x), slim(y)])), max(x.shape[1], y.shape[1]))


def _met(run: Linearized, own: Call, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Operands of a merge, those of one unit (here, or at the module's own input) made one unit."""
    if run.reference is None or any(x.dim() != 4 for x in tensors):
        return list(tensors)
    met = [
        x if size == own[2] else run.without_place(x.mean((2, 3), keepdim=True))
        for x, size in zip(tensors, own[1], strict=True)
    ]
    if len({tuple(x.shape[2:]) for x in met} - {(1, 1)}) > 1:
        sizes = " and ".join("x".join(map(str, x.shape[2:])) for x in met)
        raise Unmeasurable(f"maps that agree at the module's own input are {sizes} on a larger one")
    return met


def _in_ratio(x: Tensor, own: Call) -> tuple[int, int]:
    """The output size that is to the input's as at the module's own input."""
    sizes = []
    for now, before, after in zip(x.shape[2:], own[1][0], own[2], strict=True):
        size, rest = divmod(now * after, before)
        if rest:
            raise Unmeasurable(f"a map of {now} does not scale as {before} to {after} does")
        sizes.append(size)
    return sizes[0], sizes[1]


def _resize_matrix(how: str, own_in: int, own_out: int, size_in: int, size_out: int) -> Tensor:
    """(size_in, size_out): which unit of the input an output unit reads, uniform over those that it reads.

    Torch's own operation on one-hot rows tells. Nearest rounds the ratio to float32, so that its windows at the
    module's own size are the true ones: they are repeated. Linear weights below 1e-6 are such rounding too.
    """
    if how.startswith("nearest"):
        units = torch.arange(own_in, dtype=torch.float32).view(1, 1, -1, 1)
        reads = F.interpolate(units, (own_out, 1), mode=how)  # torch rounds other numbers of axes otherwise
        source = reads.flatten().long()
        blocks = -(-size_out // own_out)
        source = torch.cat([source + block * own_in for block in range(blocks)])[:size_out]
        return F.one_hot(source.clamp(max=size_in - 1), size_in).T.double()
    hot = torch.eye(size_in, dtype=torch.float64).view(size_in, 1, size_in, 1)
    touched = (F.interpolate(hot, (size_out, 1), mode=how).view(size_in, size_out).abs() > 1e-6).double()
    return touched / touched.sum(0)


def _take(args: Sequence[Any], kwargs: dict[str, Any], *names: str) -> list[Any]:
    """Arguments that may be given by place or by name."""
    return [kwargs.get(name, args[i] if len(args) > i else None) for i, name in enumerate(names)]


def _pair(value: Any) -> tuple[int, int]:
    values = [value] if isinstance(value, int) else list(value)
    return (int(values[0]), int(values[-1]))
