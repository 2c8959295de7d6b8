"""What a module holds beside its weights' values, and that running it does not change it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from operator import is_not
from typing import Any

from torch import nn

CONTAINERS = (dict, OrderedDict, defaultdict, list, set, deque)  # and nothing that derives from them: it may refuse


@contextmanager
def attributes_kept(module: nn.Module) -> Iterator[None]:
    """Afterwards every submodule has its attributes, and dicts, lists and sets among them hold what they held.

    So a cache, a counter, or a weight that a hook makes before each call is as it was; containers within containers
    are, too.
    """
    before: dict[int, tuple[Any, Any]] = {}
    for part in module.modules():
        _note(vars(part), before)
    try:
        yield
    finally:
        for container, held in before.values():
            if _differ(container, held):
                container.clear()
                container.extend(held) if isinstance(container, list | deque) else container.update(held)


def _note(container: Any, before: dict[int, tuple[Any, Any]]) -> None:
    if type(container) in CONTAINERS and id(container) not in before:
        before[id(container)] = container, container.copy()
        for value in container.values() if isinstance(container, dict) else container:
            _note(value, before)


def _differ(container: Any, held: Any) -> bool:
    """Whether others stand in one than in the other, however equal: tensors are not compared by value."""
    now, then = ([*one, *one.values()] if isinstance(one, dict) else list(one) for one in (container, held))
    return len(now) != len(then) or any(map(is_not, now, then))
