"""A digest that detects modified files of tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

import torch
from torch import Tensor


def digest_of(texts: Iterable[str], tensors: Mapping[str, Tensor]) -> str:
    """BLAKE2b digest of texts and tensors, over every byte.

    Example:
        >>> digest_of(["a"], {"w": torch.zeros(2)}) == digest_of(["a"], {"w": torch.ones(2)})
        False
    """
    seen = blake2b(digest_size=16)
    for text in texts:
        seen.update(text.encode())
    for name, tensor in sorted(tensors.items()):
        seen.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        seen.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return seen.hexdigest()
