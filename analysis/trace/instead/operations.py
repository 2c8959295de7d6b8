"""Our own torch operations, which the tracer records like torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.library import Library

_library: Any = Library("fieldspec", "DEF")  # type: ignore[no-untyped-call]  # torch


def operation(signature: str, function: Callable[..., Any], key: str) -> Any:
    """Define an operation with this signature; `key` is the dispatch key of the function."""
    name = signature.partition("(")[0]
    _library.define(signature)
    _library.impl(name, function, key)
    return getattr(torch.ops.fieldspec, name)
