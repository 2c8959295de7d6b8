"""Parses lists of items: the block of each item, its settings, and the keys next to it."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fieldspec.architectures.document.problems import Complain, Path, mend
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.bounds import MAX_LAYERS
from fieldspec.architectures.expansion.models import UserBlock
from fieldspec.architectures.expansion.parameters import LEFT_OUT
from fieldspec.blocks.registry import ELSEWHERE, ITEM_KEYS, block_names, block_type

BODY_KEYS = ("id", "from", "repeat", "first")  # keys that may accompany a block inside a body
TOP_ID = re.compile(r"[a-z][a-z0-9_]{0,99}(\.[0-9]{1,7})?")
BODY_ID = re.compile(r"[a-z0-9_]{1,100}")
ID_WORDS = "lower-case letters, digits and '_', starting with a letter"
# Attributes of torch's modules and graph modules, which submodules must not hide; a test compares the list with torch.
TORCH_WORDS = frozenset(
    """
    add_module add_submodule append apply bfloat16 buffers call_super_init child_order children clear code compile cpu
    cuda delete_all_unused_submodules delete_submodule double dump_patches eval extend extra_repr float forward
    get_buffer get_extra_state get_parameter get_submodule grad_checkpointing graph half insert ipu items keys
    load_state_dict merge meta modules mtia named_buffers named_children named_modules named_parameters parameters
    pop print_readable recompile register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter
    register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ run set_extra_state set_submodule
    shape_env share_memory state_dict to to_empty to_folder train training type update values xpu zero_grad
    """.split()  # noqa: SIM905  # one word per line would take more than a page
)
RESERVED_IDS = frozenset({"input", "head", "layers", "self", *TORCH_WORDS, *keyword.kwlist})


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed item: its block's name, the settings as written, and the keys next to it."""

    path: Path
    kind: str
    settings: Mapping[str, Any]
    id: str
    repeat: int = 1
    first: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None
    tap: bool = False

    @property
    def here(self) -> Path:
        """Path of the settings."""
        return (*self.path, self.kind)


class ItemParser:
    """Parses lists of items and reports errors; `own` are the custom blocks of the spec."""

    def __init__(self, own: Mapping[str, UserBlock], complain: Complain) -> None:
        self.own = own
        self.complain = complain

    def parse(self, items: Sequence[Any], path: Path, *, top: bool) -> list[Parsed | None]:
        """Parse all items; None for items without a block. `top`: the trunk itself, not a body in it."""
        counts: dict[str, int] = {}
        taken: dict[str, int] = {}
        parsed = []
        for index, item in enumerate(items):
            if item is LEFT_OUT:
                continue
            one = self.item(item, (*path, index), counts, top=top)
            parsed.append(one)
            if one is None:
                continue
            clash = self._clash(one.id, taken, index)
            if clash is not None:
                place = one.path if "id" not in item else (*one.path, "id")
                self.complain(place, f"{one.id!r} is already the id of {path[-1]}[{clash}]. Choose another id")
        return parsed

    @staticmethod
    def _clash(name: str, taken: dict[str, int], index: int) -> int | None:
        """Index of an earlier item whose modules would clash: with the same id, or `s2` for `s2.0` and vice versa."""
        stem, dot, _ = name.partition(".")
        rivals = (name, stem) if dot else (name, f"{name}.")
        clash = min((taken[rival] for rival in rivals if rival in taken), default=None)
        taken.setdefault(name, index)
        if dot:
            taken.setdefault(f"{stem}.", index)
        return clash

    def item(self, item: Any, path: Path, counts: dict[str, int], *, top: bool) -> Parsed | None:
        """Parse one item; `counts` numbers items without an id, by block."""
        allowed = ITEM_KEYS if top else BODY_KEYS
        kind = self._kind(item, path, allowed)
        if kind is None:
            return None
        self._misplaced(item, path, allowed)
        settings = {} if item[kind] is None else item[kind]
        if not isinstance(settings, dict):
            self.complain((*path, kind), f"needs a mapping of settings, gets {written(settings)}")
            return None
        block = block_type(kind)
        base = (block.stands_for or kind) if block else kind
        counts[base] = counts.get(base, 0) + 1
        name = self._id(item, path, f"{base}{counts[base]}", TOP_ID if top else BODY_ID)
        repeat, first = self._repeat(item, path)
        if repeat > 1 and "." in name:
            self.complain((*path, "id"), f"{name!r} cannot be repeated: ids have at most one dot. Choose one without")
        tap = item.get("tap", False)
        if not isinstance(tap, bool):
            self.complain((*path, "tap"), f"needs true or false, gets {written(tap)}")
        return Parsed(path, kind, settings, name, repeat, first, self._from(item, path), tap is True)

    def _kind(self, item: Any, path: Path, allowed: tuple[str, ...]) -> str | None:
        if not isinstance(item, dict):
            example = f"{{{item}: {{}}}}" if self._is_known(item) else "{conv: {out: 32}}"
            self.complain(path, f"needs a mapping with one block, such as {example}, gets {written(item)}")
            return None
        names = [key for key in item if key not in ITEM_KEYS]
        blocks = [name for name in names if self._is_known(name)]
        for name in names:
            if name not in blocks:
                reason = self._unknown_key(name, blocks[0], allowed) if blocks else self._unknown_block(name)
                self.complain((*path, name), reason, at_key=True)
        if len(blocks) > 1 or not names:
            what = " and ".join(map(repr, blocks)) or "none"
            self.complain(path, f"needs exactly one block besides {', '.join(allowed)}; gets {what}")
        return blocks[0] if len(blocks) == 1 else None

    def _unknown_key(self, name: str, kind: str, allowed: tuple[str, ...]) -> str:
        block = block_type(kind)
        if name in (block.settings if block else self.own[kind].params):
            return f"belongs inside {kind}, not beside it"
        return f"unknown key.{mend(name, allowed)}"

    def _unknown_block(self, name: str) -> str:
        return f"unknown block {written(name)}.{mend(name, sorted([*block_names(), *self.own]), ELSEWHERE)}"

    def _is_known(self, kind: Any) -> bool:
        return isinstance(kind, str) and (kind in self.own or block_type(kind) is not None)

    def _misplaced(self, item: Mapping[str, Any], path: Path, allowed: tuple[str, ...]) -> None:
        for key in item:
            if key in ITEM_KEYS and key not in allowed:
                self.complain((*path, key), "is not allowed inside a body. Use tap in layers", at_key=True)

    def _id(self, item: Mapping[str, Any], path: Path, default: str, pattern: re.Pattern[str]) -> str:
        if "id" not in item:
            return default
        name = item["id"]
        if not isinstance(name, str) or not pattern.fullmatch(name):
            self.complain((*path, "id"), f"needs {ID_WORDS}, gets {written(name)}")
        elif name.split(".")[0] in RESERVED_IDS:
            self.complain((*path, "id"), f"{name!r} is reserved by Python, torch or the spec. Choose another id")
        else:
            return name
        return default

    def _repeat(self, item: Mapping[str, Any], path: Path) -> tuple[int, Mapping[str, Any]]:
        repeat, first = item.get("repeat", 1), item.get("first", {})
        if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MAX_LAYERS:
            self.complain((*path, "repeat"), f"needs a whole number from 1 to {MAX_LAYERS}, gets {written(repeat)}")
            repeat = 1
        if not isinstance(first, dict):
            self.complain((*path, "first"), f"needs a mapping of settings, gets {written(first)}")
            first = {}
        elif "first" in item and "repeat" not in item:
            self.complain((*path, "first"), "has no effect without 'repeat'. Move it into the settings", at_key=True)
        return repeat, first

    def _from(self, item: Mapping[str, Any], path: Path) -> tuple[str, ...] | None:
        value = item.get("from")
        if value is None:
            return None
        sources = tuple(value) if isinstance(value, list | tuple) else (value,)
        if not sources or not all(isinstance(source, str) for source in sources):
            self.complain((*path, "from"), f"needs an id or a list of ids, gets {written(value)}")
            return None
        return sources
