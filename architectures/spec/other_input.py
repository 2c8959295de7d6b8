"""Specs for another input size. Free of torch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from fieldspec.architectures.spec.assembly import PARAMETRIC
from fieldspec.architectures.spec.spec import ArchitectureSpec, load

NAMES = re.compile(r"\$([a-z_][a-z0-9_]*)")


def at_input(spec: ArchitectureSpec, size: Sequence[int] | Any) -> ArchitectureSpec:
    """The same spec with another `input`; parameters that only the old input used are removed.

    Raises:
        SpecError: The network cannot be laid out for this input.
    Example:
        >>> at_input(load("mobilenet_v1", width=0.5), (1, 96, 96)).params
        {'width': 0.5}
    """
    document = spec.to_dict()
    read = set(NAMES.findall(json.dumps([document.get(section) for section in PARAMETRIC if section != "input"])))
    only = set(NAMES.findall(json.dumps(document["input"]))) - read
    params = {name: value for name, value in document.pop("params", {}).items() if name not in only}
    given = list(size) if isinstance(size, Sequence) else size
    return load({**document, **({"params": params} if params else {}), "input": given})
