"""Matrix products: a value depends on a row of one operand and a column of the other."""

from __future__ import annotations

from string import ascii_letters
from typing import Any

import torch
from torch import Tensor

from fieldspec.analysis.proof.linear.mode import Linearized
from fieldspec.analysis.proof.linear.pointwise import mean_of, pointwise
from fieldspec.analysis.proof.linear.registry import Here, Unmeasurable, rule
from fieldspec.analysis.proof.linear.thin import broad, broadcast_shapes, slim


@rule("linear")
def linear(run: Linearized, here: Here, func: Any, /, x: Tensor, weight: Tensor, bias: Any = None) -> Tensor:
    """Uniform weights over the last dimension, for any number of other dimensions."""
    parts = []
    if hasattr(x, "depends"):
        means = slim(x).mean(-1, keepdim=True)
        parts.append(run.without_position(means) if here.loses_place({x.dim() - 1}) else means)
    if hasattr(weight, "depends"):
        parts.append(run.without_position(slim(weight).mean()).reshape((1,) * x.dim()))
    return broad(mean_of(parts), (*x.shape[:-1], weight.shape[0]))


@rule("matmul", "bmm", "mm", "imatmul", "mv", "dot")
def matmul(run: Linearized, here: Here, func: Any, /, x: Tensor, y: Tensor, **kwargs: Any) -> Tensor:
    """(..., n, k) x (..., k, m) -> (..., n, m): depends on row n and column m."""
    rows, columns = "k" if x.dim() == 1 else "nk", "k" if y.dim() == 1 else "km"
    output = rows.removesuffix("k") + columns.removeprefix("k")
    return _contracted(run, here, f"...{rows},...{columns}->...{output}", [x, y])


@rule("rmatmul")
def rmatmul(run: Linearized, here: Here, func: Any, /, x: Tensor, y: Tensor) -> Tensor:
    """`y @ x`."""
    swapped = here if len(here.now.operands) == 1 else _swapped(here)
    return matmul(run, swapped, func, y, x)  # type: ignore[no-any-return]


def _swapped(here: Here) -> Here:
    calls = [call and call._replace(operands=call.operands[::-1]) for call in here]
    return Here(calls[0] or here.now, calls[1], calls[2])


@rule("addmm", "baddbmm", "addbmm", "addmv")
def addmm(run: Linearized, here: Here, func: Any, /, x: Tensor, a: Tensor, b: Tensor, **kwargs: Any) -> Tensor:
    """A product, plus an added operand."""
    if not any(hasattr(factor, "depends") for factor in (a, b)):
        return broad(slim(x), broadcast_shapes(x.shape, (*a.shape[:-1], b.shape[-1])))
    if not hasattr(x, "depends"):
        return matmul(run, here, func, a, b)  # type: ignore[no-any-return]
    rest = [call and call._replace(operands=call.operands[1:]) for call in here]
    product = matmul(run, Here(rest[0] or here.now, rest[1], rest[2]), func, a, b)
    return pointwise(run, Here(here.now), func, x, run.watch(product))  # type: ignore[no-any-return]


@rule("einsum")
def einsum(run: Linearized, here: Here, func: Any, /, equation: Any, *operands: Any) -> Tensor:
    """Any sum of products in letter notation.

    Raises:
        Unmeasurable: It is written with numbers.
    """
    if not isinstance(equation, str):
        raise Unmeasurable("einsum with numbers for letters has no linear counterpart")
    tensors = list(operands[0]) if len(operands) == 1 and isinstance(operands[0], list | tuple) else list(operands)
    return _contracted(run, here, equation.replace(" ", ""), tensors)


def _contracted(run: Linearized, here: Here, equation: str, tensors: list[Tensor]) -> Tensor:
    """Mean of the contributions of each operand to the output, with the other operands left out."""
    words, output = _spelled(equation, [x.dim() for x in tensors])
    sizes: dict[str, int] = {}
    for word, x in zip(words, tensors, strict=True):
        for letter, size in zip(word, x.shape, strict=True):
            sizes[letter] = max(size, sizes.get(letter, 1))
    parts: list[Tensor] = []
    following: set[str] = set()
    contracts = False
    dependent = [(word, x) for word, x in zip(words, tensors, strict=True) if hasattr(x, "depends")]
    for i, (word, x) in enumerate(dependent):
        following |= {word[dim] for dim in here.grown(i)}
        kept = "".join(letter for letter in output if letter in word)
        thin = slim(x)
        part = torch.einsum(f"{word}->{kept}", thin)
        part = part * (part.numel() / max(1, thin.numel()))
        parts.append(part.reshape([part.shape[kept.index(letter)] if letter in kept else 1 for letter in output]))
        contracts = contracts or any(word[dim] not in output for dim in here.grown(i))
    total = mean_of(parts)
    if contracts and not following & set(output):
        total = run.without_position(total)
    return broad(total, [sizes[letter] for letter in output])


def _spelled(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, with ellipses spelled out."""
    left, arrow, output = equation.partition("->")
    words = left.split(",")
    if not arrow:
        letters = sorted(set(left) - set(",."))
        output = "..." * ("..." in left) + "".join(letter for letter in letters if left.count(letter) == 1)
    spare = [letter for letter in ascii_letters if letter not in equation]
    dots = max((rank - len(word.replace(".", "")) for word, rank in zip(words, ranks, strict=True)), default=0)
    whole = "".join(spare[:dots])
    spelled = []
    for word, rank in zip(words, ranks, strict=True):
        missing = rank - len(word.replace(".", ""))
        spelled.append(word.replace("...", whole[len(whole) - missing :]))
    return spelled, output.replace("...", whole)


@rule("scaled_dot_product_attention")
def attention(
    run: Linearized, here: Here, func: Any, /, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
) -> Tensor:
    """Each query depends on all keys and values; a local part of it cannot be distinguished."""
    parts = [slim(query).mean(-1, keepdim=True)] if hasattr(query, "depends") else []
    parts += [slim(key).mean((-2, -1), keepdim=True)] if hasattr(key, "depends") else []
    parts += [slim(value).mean(-2, keepdim=True)] if hasattr(value, "depends") else []
    return broad(mean_of(parts), (*query.shape[:-1], value.shape[-1]))


@rule("multi_head_attention_forward")
def multi_head_attention(
    run: Linearized, here: Here, func: Any, /, query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any
) -> tuple[Tensor, Tensor]:
    """(length, batch, channels), or without the batch: each query position depends on all key and value positions."""
    parts = [slim(query).mean(-1, keepdim=True)] if hasattr(query, "depends") else []
    parts += [slim(x).mean((0, -1), keepdim=True) for x in (key, value) if hasattr(x, "depends")]
    output = broad(mean_of(parts), query.shape)
    return output, output
