"""Expands items to blocks: looks up names, fills in defaults, substitutes `$name` in custom blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from fieldspec.architectures.document.problems import Path, Problems, about
from fieldspec.architectures.document.validation import validate
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.bodies import Bodies
from fieldspec.architectures.expansion.bounds import (
    MAX_LAYERS,
    MAX_WORK,
    MAX_WRITTEN_OUT,
    TOO_MANY_LAYERS,
    count_layers,
)
from fieldspec.architectures.expansion.canonical import canonical, per_axis_settings
from fieldspec.architectures.expansion.expanded import Expanded
from fieldspec.architectures.expansion.items import ItemParser, Parsed
from fieldspec.architectures.expansion.models import Defaults, UserBlock, settings_model, usual_values
from fieldspec.architectures.expansion.parameters import Substitution
from fieldspec.architectures.expansion.user_blocks import Use, given, used_at
from fieldspec.blocks.block import Block
from fieldspec.blocks.block_type import BlockType
from fieldspec.blocks.errors import SettingError
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.registry import ITEM_KEYS, block_type
from fieldspec.blocks.settings import made_for


class Expander:
    """Expands items to blocks; errors are added to `problems`."""

    def __init__(
        self, defaults: Defaults, blocks: Mapping[str, UserBlock], parameters: Substitution, problems: Problems
    ) -> None:
        self.problems = problems
        self._parameters = parameters  # of the spec; bodies of its custom blocks may use them as well
        self.parser = ItemParser(blocks, self.complain)
        self._defaults = {name: value for name, value in defaults if value is not None}
        self._usual: dict[BlockType, dict[str, Any]] = {}  # per block, the settings given by `defaults`
        self._blocks = blocks
        self._uses: list[Use] = []  # custom blocks that are being expanded
        self._cache: dict[tuple[Path, bool, Shape | None], Expanded | None] = {}
        self._work = 0
        self._made = 0  # layers built so far, a lower bound for the network
        self.bodies = Bodies(self)

    def complain(self, path: Path, message: str, *, at_key: bool = False, of_use: bool = False) -> None:
        """Report a problem at the place where it was written; `of_use`: other uses of the block may not have it."""
        path = self.written_at(path)
        if of_use and self._uses:
            message = used_at(path, self._uses[0].path, message)
        self.problems.add(path, message, at_key=at_key)

    def written_at(self, path: Path) -> Path:
        """Path at which the value at `path` was written: elsewhere if it is a `$name` in a block's body."""
        for use in reversed(self._uses):
            path = use.origin(path)
        return path

    def check(self, item: Parsed) -> None:
        """Validate the settings of an item and of all items inside it, without knowing any channels."""
        self.expand(item, None)
        self.expand(item, None, first=True)

    def expand(self, item: Parsed, shape: Shape | None, *, first: bool = False) -> Expanded | None:
        """The block of one copy of an item on a map; None if there is a problem, or no map."""
        key = (item.path, first and bool(item.first), shape)
        if key not in self._cache:
            with made_for(shape or ()):
                self._cache[key] = self._expand(item, shape, item.first if first else {})
        return self._cache[key]

    def _expand(self, item: Parsed, shape: Shape | None, first: Mapping[str, Any]) -> Expanded | None:
        settings = {**item.settings, **first}
        if not self._may_work(100) or self._made > MAX_LAYERS:
            return None
        at = partial(_path, item, first)
        if item.kind in self._blocks:
            return self._own(item, settings, {word: at(word) for word in settings}, shape)
        block = block_type(item.kind)
        assert block is not None  # guaranteed by parsing
        values = self._validated(block, settings, item, at)
        nested = self._nested(block, settings, at, None if values is None else shape) if block.places else {}
        if values is None or nested is None or shape is None:
            return None
        if not self._has_axes(block, values, at, len(shape) - 1):
            return None
        values.update({block.settings[word].name: made for word, (made, _) in nested.items()})
        try:
            made, resolved = block.make(shape[0], values)
        except SettingError as error:
            self.complain(at(error.setting), error.reason, of_use=True)
            return None
        except ValueError as error:  # FieldspecError, or from a user's function
            self.complain(item.here, about(item.kind, about(block.name, str(error))), of_use=True)
            return None
        except Exception as error:  # a user's function may raise anything; reported where it is used
            reason = f"block {block.name!r} raised {type(error).__name__}: {error}"
            self.complain(item.here, reason, of_use=True)
            return None
        if not isinstance(made, Block):
            self.complain(item.here, f"block {block.name!r} returns {written(made)}, which is not a Block")
            return None
        form = canonical(block, resolved, {word: form for word, (_, form) in nested.items()})
        layers = count_layers(made)
        self._made += 0 if nested else layers  # nested items have been counted already
        if not self.fits(self._made, ("layers",)):
            return None
        return Expanded(made, block.stands_for or block.name, form, layers)

    def _may_work(self, amount: int) -> bool:
        """Whether the limit on the work for one spec still holds."""
        self._work += amount
        if self._work > MAX_WORK:
            self.problems.add(("layers",), "take too long to expand. Use fewer items, or smaller ones")
        return self._work <= MAX_WORK

    def _validated(
        self, block: BlockType, settings: Mapping[str, Any], item: Parsed, at: Callable[[str], Path]
    ) -> dict[str, Any] | None:
        """Settings by their Python names, completed with the spec's defaults and then the block's own."""
        values = dict(settings)
        for word, setting in block.places.items():
            if values.get(word) is not None and setting.holds_items(values[word]):
                values[word] = ()  # only checks its presence; `_nested` checks its items
        if block not in self._usual:
            self._usual[block] = usual_values(block, self._defaults)
        values = {**self._usual[block], **values}
        model, problems = validate(settings_model(block), values, item.here)
        for problem in problems:
            below = problem.path[len(item.here) :]
            path = (*at(str(below[0])), *below[1:]) if below else item.here
            misplaced = problem.at_key and below[0] in ITEM_KEYS
            message = f"belongs beside {item.kind}, not inside it" if misplaced else problem.message
            self.complain(path, message, at_key=problem.at_key)
        if model is None:
            return None
        return dict(vars(model))

    def _has_axes(self, block: BlockType, values: Mapping[str, Any], at: Callable[[str], Path], axes: int) -> bool:
        """Whether settings with one number per axis match the map's axes; for vectors, the layers report it."""
        fits = True
        for word in per_axis_settings(block):
            value = values[block.settings[word].name]
            if axes and isinstance(value, tuple) and len(value) != axes:
                named = "one axis" if axes == 1 else f"{axes} axes"
                self.complain(at(word), f"has {len(value)} numbers, but the map has {named}")
                fits = False
        return fits

    def _nested(
        self, block: BlockType, settings: Mapping[str, Any], at: Callable[[str], Path], shape: Shape | None
    ) -> dict[str, tuple[Any, Any]] | None:
        """The blocks of the settings that hold items, and their canonical forms; None after a problem.

        Items in `first` have a path of their own, by which they are cached and reported.
        """
        made: dict[str, Any] = {}
        for word, setting in block.places.items():
            items = settings.get(word)
            if items is None or not setting.holds_items(items):
                continue
            if setting.holds != "branches":
                made[word] = self.bodies.chain(items, at(word), shape)
            else:
                share = len(items) if settings.get("split") is True and isinstance(items, list | tuple) else 1
                made[word] = self.bodies.branches(items, at(word), shape and (shape[0] // max(1, share), *shape[1:]))
        return None if None in made.values() else made

    def fits(self, layers: int, path: Path) -> bool:
        """Whether this many layers are within the limit; reports it if not."""
        if layers > MAX_LAYERS:
            self.complain(path, TOO_MANY_LAYERS, of_use=True)
        return layers <= MAX_LAYERS

    # -- custom blocks ---------------------------------------------------------------------------------------

    def _own(
        self, item: Parsed, settings: Mapping[str, Any], paths: Mapping[str, Path], shape: Shape | None
    ) -> Expanded | None:
        uses = [use.kind for use in self._uses]
        if item.kind in uses:
            way = " > ".join([*uses[uses.index(item.kind) :], item.kind])
            self.complain(item.here, f"block {item.kind!r} contains itself: {way}. Remove it from its own body")
            return None
        own, use = self._blocks[item.kind], Use(item.kind, item.here, paths)
        values = given(own, item.here, settings, paths, self.complain)
        outer, self._cache = self._cache, {}  # the same paths mean other settings in every use of the block
        scopes, self.bodies.scopes = self.bodies.scopes, []
        self._uses.append(use)
        body = None
        if values is not None:
            body, used = use.written_out(own, values, self._parameters.values, MAX_WRITTEN_OUT, self.complain)
            self._parameters.used |= used - own.params.keys()
        chain = None
        if body is not None and self._may_work(10 * use.size):
            chain = self.bodies.chain(body, use.body, shape)
        self._uses.pop()
        self._cache, self.bodies.scopes = outer, scopes
        if chain is None:
            return None
        return Expanded(chain[0], "chain", {"body": chain[1]}, count_layers(chain[0]))


def _path(item: Parsed, first: Mapping[str, Any], word: str) -> Path:
    """Path of an item's setting: in those of the first copy, or in those of all."""
    return (*item.path, "first", word) if word in first else (*item.here, word)
