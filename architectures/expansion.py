"""From the items of a spec to blocks: names looked up, defaults filled in, repeats unrolled, `$name` replaced."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from fieldspec.architectures.problems import Path, Problem, did_you_mean
from fieldspec.architectures.validation import Defaults, UserBlock, settings_model, validate, written
from fieldspec.blocks.block import IDENTITY, Block, Chain, Parallel
from fieldspec.blocks.errors import FieldspecError, SettingError
from fieldspec.blocks.layers import Merge
from fieldspec.blocks.registry import ITEM_KEYS, REQUIRED, BlockType, Setting, block_names, block_type
from fieldspec.blocks.settings import Act, Norm, Order, Padding, PoolPadding, Size, pair

MAX_LAYERS = 1_000_000
MAX_NESTING = 64  # of bodies, branches and blocks of the spec's own
BODY_KEYS = ("id", "repeat", "first")  # what stands beside a block's key inside a body
ID = re.compile(r"[a-z][a-z0-9_]*(\.[0-9]+)?")
BODY_ID = re.compile(r"[a-z0-9_]+")
# Attributes of torch's modules and graph modules, which no submodule may hide; a test compares the list with torch.
TORCH_WORDS = frozenset(
    "add_module add_submodule append apply bfloat16 buffers call_super_init children clear code compile cpu cuda "
    "delete_all_unused_submodules delete_submodule double dump_patches eval extend extra_repr float forward "
    "get_buffer get_extra_state get_parameter get_submodule grad_checkpointing graph half insert ipu items keys "
    "load_state_dict meta modules mtia named_buffers named_children named_modules named_parameters parameters pop "
    "print_readable recompile register_backward_hook register_buffer register_forward_hook "
    "register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook "
    "register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module register_parameter "
    "register_state_dict_post_hook register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule "
    "shape_env share_memory state_dict to to_empty to_folder train training type update values xpu zero_grad".split()
)
RESERVED_IDS = frozenset({"input", "head", "layers", *TORCH_WORDS, *keyword.kwlist})

Canonical = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parsed:
    """An item taken apart: its block's name, the settings as written, and what stands beside them."""

    path: Path
    kind: str
    settings: Mapping[str, Any]
    id: str
    repeat: int = 1
    first: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] | None = None
    tap: bool = False


@dataclass(frozen=True, slots=True)
class Expanded:
    """A block and its canonical form: the block's name and every setting, in the spec's words."""

    block: Block
    kind: str
    settings: Canonical
    layers: int  # how many primitives


class Expander:
    """Turns items into blocks and gathers all problems on the way."""

    def __init__(self, defaults: Defaults, blocks: Mapping[str, UserBlock]) -> None:
        self._problems: dict[Problem, None] = {}
        self._defaults = {name: value for name, value in defaults if value is not None}
        self._blocks = blocks
        self._stack: list[str] = []  # the spec's own blocks that are being written out
        self._cache: dict[tuple[Path, bool, int | None], Expanded | None] = {}

    @property
    def problems(self) -> list[Problem]:
        """All that was found so far, each once."""
        return list(self._problems)

    def complain(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a problem, once."""
        self._problems[Problem(path, message, at_key)] = None

    # -- items -----------------------------------------------------------------------------------------------

    def parse(self, items: Sequence[Any], path: Path, *, top: bool) -> list[Parsed | None]:
        """Every item taken apart; None for one that cannot be."""
        counts: dict[str, int] = {}
        seen: dict[str, int] = {}
        parsed = []
        for index, item in enumerate(items):
            one = self._parse(item, (*path, index), counts, top=top)
            parsed.append(one)
            if one is None:
                continue
            clash = seen.get(one.id)
            if clash is not None:
                self.complain((*path, index), f"id {one.id!r} is taken by {path[-1]}[{clash}]; give it another id")
            seen.setdefault(one.id, index)
        return parsed

    def _parse(self, item: Any, path: Path, counts: dict[str, int], *, top: bool) -> Parsed | None:
        if isinstance(item, str) and block_type(item):
            self.complain(path, f"needs a mapping such as {{{item}: {{}}}}, gets {written(item)}")
            return None
        if not isinstance(item, dict):
            self.complain(path, f"needs a mapping with one block, such as {{conv: {{out: 32}}}}, gets {written(item)}")
            return None
        allowed = ITEM_KEYS if top else BODY_KEYS
        names = [key for key in item if key not in ITEM_KEYS]
        for key in item:
            if key in ITEM_KEYS and key not in allowed:
                mend = "use parallel for branches" if key == "from" else "taps stand at the top level"
                self.complain((*path, key), f"{key!r} does not stand inside a body; {mend}", at_key=True)
        if len(names) != 1:
            what = "none" if not names else " and ".join(map(repr, names))
            self.complain(path, f"needs exactly one block beside {', '.join(allowed)}, gets {what}")
            return None
        kind = names[0]
        settings = {} if item[kind] is None else item[kind]
        if not self._is_known(kind, (*path, kind)):
            return None
        if not isinstance(settings, dict):
            self.complain((*path, kind), f"needs a mapping of settings, gets {written(settings)}")
            return None
        block = block_type(kind)
        base = (block.stands_for or kind) if block else kind
        counts[base] = counts.get(base, 0) + 1
        pattern = ID if top else BODY_ID
        id = item.get("id", f"{base}{counts[base]}")
        if not isinstance(id, str) or not pattern.fullmatch(id) or id.split(".")[0] in RESERVED_IDS:
            taken = isinstance(id, str) and id.split(".")[0] in RESERVED_IDS
            why = "is a word of torch's or of the spec's own" if taken else "needs lower-case letters, digits and '_', a letter first"
            self.complain((*path, "id"), f"{written(id)} {why}")
            id = f"{base}{counts[base]}"
        repeat, first = self._repeat(item, path)
        tap = item.get("tap", False)
        if not isinstance(tap, bool):
            self.complain((*path, "tap"), f"needs true or false, gets {written(tap)}")
        return Parsed(path, kind, settings, id, repeat, first, self._from(item, path), tap is True)

    def _is_known(self, kind: str, path: Path) -> bool:
        if kind in self._blocks or block_type(kind):
            return True
        known = sorted([*block_names(), *self._blocks])
        mend = did_you_mean(kind, known)
        listed = f" Known: {', '.join(known)}." if not mend else ""
        self.complain(path, f"unknown block {written(kind)}.{mend}{listed}", at_key=True)
        return False

    def _repeat(self, item: Mapping[str, Any], path: Path) -> tuple[int, Mapping[str, Any]]:
        repeat, first = item.get("repeat", 1), item.get("first", {})
        if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MAX_LAYERS:
            self.complain((*path, "repeat"), f"needs a whole number from 1 to {MAX_LAYERS}, gets {written(repeat)}")
            repeat = 1
        if not isinstance(first, dict):
            self.complain((*path, "first"), f"needs a mapping of settings, gets {written(first)}")
            first = {}
        elif "first" in item and "repeat" not in item:
            self.complain((*path, "first"), "means nothing without repeat", at_key=True)
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

    # -- blocks ----------------------------------------------------------------------------------------------

    def check(self, item: Parsed) -> None:
        """Validate an item's settings, and those of all items inside it, without knowing any channels."""
        self.expand(item, None)

    def expand(self, item: Parsed, in_channels: int | None, *, first: bool = False) -> Expanded | None:
        """The block of one copy of an item; None where there is a problem, or no channels to go by."""
        key = (item.path, first and bool(item.first), in_channels)
        if key not in self._cache:
            self._cache[key] = self._expand(item, in_channels, first=first)
        return self._cache[key]

    def _expand(self, item: Parsed, in_channels: int | None, *, first: bool) -> Expanded | None:
        if len(self._stack) > MAX_NESTING or len(item.path) > 4 * MAX_NESTING:
            self.complain(item.path, f"blocks are nested more than {MAX_NESTING} deep")
            return None
        settings = {**item.settings, **item.first} if first else item.settings
        here = (*item.path, item.kind)
        own = self._blocks.get(item.kind)
        if own is not None:
            return self._own(item, own, settings, in_channels)
        block = block_type(item.kind)
        assert block is not None  # parsing has seen to it
        known = len(self._problems)
        values = self._validated(block, settings, here, item.first if first else {}, item.path)
        nested, canonical = self._nested(block, values, here, in_channels) if values is not None else ({}, {})
        if values is None or in_channels is None or len(self._problems) > known:
            return None
        values.update(nested)
        try:
            made = block.function(in_channels, **values)
            resolved = block.resolve(in_channels, values) if block.resolve else values
        except SettingError as error:
            known_here = error.setting in block.settings
            self.complain((*here, error.setting) if known_here else here, error.reason if known_here else str(error))
            return None
        except FieldspecError as error:
            self.complain(here, str(error))
            return None
        canonical = _canonical(block, resolved, canonical)
        return Expanded(made, block.stands_for or block.name, canonical, count_layers(made))

    def _validated(
        self, block: BlockType, settings: Mapping[str, Any], path: Path, first: Mapping[str, Any], item: Path
    ) -> dict[str, Any] | None:
        """The settings by their names in Python, defaults filled in."""
        given = dict(settings)
        for word, value in self._defaults.items():
            setting = block.settings.get(word)
            if word not in given and setting is not None and _takes_default(setting):
                given[word] = value
        model, problems = validate(settings_model(block), given, path)
        for problem in problems:
            changed = len(problem.path) > len(path) and problem.path[len(path)] in first
            place = (*item, "first", *problem.path[len(path) :]) if changed else problem.path
            self.complain(place, problem.message, at_key=problem.at_key)
        if model is None:
            return None
        return {setting.name: getattr(model, setting.name) for setting in block.settings.values()}

    def _nested(
        self, block: BlockType, values: dict[str, Any], path: Path, in_channels: int | None
    ) -> tuple[dict[str, Any], Canonical]:
        """The blocks, and their canonical forms, of the settings that hold items."""
        made: dict[str, Any] = {}
        canonical: Canonical = {}
        for word, setting in block.settings.items():
            items = values[setting.name]
            if setting.holds == "value" or items is None:
                continue
            if setting.holds == "body":
                made[setting.name], canonical[word] = self.chain(items, (*path, word), in_channels)
            else:
                ends = [self.chain(branch, (*path, word, index), in_channels) for index, branch in enumerate(items)]
                made[setting.name], canonical[word] = tuple(end[0] for end in ends), [end[1] for end in ends]
        return made, canonical

    def chain(self, items: Sequence[Any], path: Path, in_channels: int | None) -> tuple[Chain, list[Canonical]]:
        """The items of a body, one after the other."""
        children: list[tuple[str, Block]] = []
        canonical: list[Canonical] = []
        for item in self.parse(items, path, top=False):
            if item is None:
                in_channels = None
                continue
            copies = []
            for copy in range(item.repeat):
                expanded = self.expand(item, in_channels, first=copy == 0)
                if expanded is None or in_channels is None:
                    in_channels = None
                    if copy:
                        break  # the first copy may differ from the others, which are all alike
                    continue
                if not self.fits(expanded, item.repeat, (*item.path, "repeat")):
                    return IDENTITY, []
                in_channels = expanded.block.out_channels_of(in_channels)
                copies.append(expanded)
            if not copies:
                continue
            if item.repeat == 1:
                children.append((item.id, copies[0].block))
                canonical.append({"id": item.id, copies[0].kind: copies[0].settings})
            else:
                children.append((item.id, Chain(tuple((str(n), copy.block) for n, copy in enumerate(copies)))))
                body = [{"id": str(n), copy.kind: copy.settings} for n, copy in enumerate(copies)]
                canonical.append({"id": item.id, "chain": {"body": body}})
            if isinstance(copies[0].block, Merge):
                self.complain(item.path, f"{item.kind} needs from, which does not stand inside a body; use parallel")
        return Chain(tuple(children)), canonical

    def fits(self, expanded: Expanded, repeat: int, path: Path) -> bool:
        """Whether so many copies keep within the bound on layers; complains where they do not."""
        if expanded.layers * repeat <= MAX_LAYERS:
            return True
        self.complain(path, f"{repeat} copies of {expanded.layers} layers are more than {MAX_LAYERS} layers")
        return False

    # -- the spec's own blocks -------------------------------------------------------------------------------

    def _own(
        self, item: Parsed, own: UserBlock, settings: Mapping[str, Any], in_channels: int | None
    ) -> Expanded | None:
        here = (*item.path, item.kind)
        if item.kind in self._stack:
            self.complain(here, f"block {item.kind!r} contains itself: {' > '.join([*self._stack, item.kind])}")
            return None
        for key in settings:
            if key not in own.params:
                mend = did_you_mean(key, own.params) or f" Known: {', '.join(own.params) or 'none'}."
                self.complain((*here, key), f"unknown key.{mend}", at_key=True)
        missing = [name for name, default in own.params.items() if default is None and name not in settings]
        for name in missing:
            self.complain(here, f"missing key {name!r}")
        if missing:
            return None
        values = {name: settings.get(name, default) for name, default in own.params.items()}
        path: Path = ("blocks", item.kind, "body")
        self._stack.append(item.kind)
        known, outer = len(self._problems), self._cache
        self._cache = {}  # the same paths stand for other settings in every use of the block
        items = self._substituted(own.body, values, path)
        block, body = (IDENTITY, []) if len(self._problems) > known else self.chain(items, path, in_channels)
        self._cache = outer
        self._stack.pop()
        if in_channels is None or len(self._problems) > known:
            return None
        return Expanded(block, "chain", {"body": body}, count_layers(block))

    def _substituted(self, value: Any, values: Mapping[str, Any], path: Path) -> Any:
        """The value with every `$name` replaced by what it stands for, as a whole."""
        if isinstance(value, dict):
            return {key: self._substituted(one, values, (*path, key)) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._substituted(one, values, (*path, index)) for index, one in enumerate(value)]
        if isinstance(value, str) and value.startswith("$"):
            if value[1:] in values:
                return values[value[1:]]
            mend = did_you_mean(value[1:], values) or f" Known: {', '.join(values) or 'none'}."
            self.complain(path, f"unknown parameter {written(value)}.{mend}")
        return value


def count_layers(block: Block) -> int:
    """Primitives in a block tree, merges counted."""
    if isinstance(block, Chain):
        return sum(count_layers(child) for _, child in block.children)
    if isinstance(block, Parallel):
        return 1 + sum(count_layers(branch) for _, branch in block.branches)
    return 1


def _takes_default(setting: Setting) -> bool:
    """Whether the spec's `defaults` speak of this setting: the type says so, not only the word."""
    return any(setting.annotation == kind for kind in (Act, Norm, Order))


def _canonical(block: BlockType, values: Mapping[str, Any], nested: Canonical) -> Canonical:
    """Every setting in the spec's words and in its normal form; None, which stands for nothing, is left out."""
    data: Canonical = {}
    for word, setting in block.settings.items():
        value = values[setting.name]
        if word in nested:
            data[word] = nested[word]
        elif value is not None:
            data[word] = listed(pair(value) if _is_pair(setting, value) else value)
    return data


def _is_pair(setting: Setting, value: Any) -> bool:
    kinds = {setting.annotation, *get_args(setting.annotation)}
    return isinstance(value, int) and bool(kinds & {Size, PoolPadding, Padding})


def listed(value: Any) -> Any:
    """Tuples to lists, as JSON and YAML have them."""
    if isinstance(value, list | tuple):
        return [listed(item) for item in value]
    if isinstance(value, dict):
        return {key: listed(item) for key, item in value.items()}
    return value
