"""From items to blocks: names looked up, defaults filled in, bodies and branches built, `$name` replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fieldspec.architectures.document.composer import MAX_DEPTH
from fieldspec.architectures.document.problems import Path, Problems, about
from fieldspec.architectures.document.validation import validate
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.bounds import (
    MAX_LAYERS,
    MAX_WORK,
    MAX_WRITTEN_OUT,
    OUTER_DEPTH,
    TOO_MANY_LAYERS,
    count_layers,
    too_many_channels,
)
from fieldspec.architectures.expansion.canonical import Canonical, canonical, per_axis_settings
from fieldspec.architectures.expansion.items import ItemParser, Parsed
from fieldspec.architectures.expansion.models import ITEMS, Defaults, UserBlock, settings_model, usual_values
from fieldspec.architectures.expansion.parameters import LEFT_OUT, Substitution
from fieldspec.architectures.expansion.scope import Scope, check_operands, names_read
from fieldspec.architectures.expansion.user_blocks import Use, given, used_at
from fieldspec.blocks.block import Block, Chain, Wired
from fieldspec.blocks.errors import SettingError, ShapeError
from fieldspec.blocks.graph import shape_after
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.registry import ITEM_KEYS, BlockType, block_type
from fieldspec.blocks.settings import MAX_CHANNELS, made_for


@dataclass(frozen=True, slots=True)
class Expanded:
    """A block and its canonical form: the block's name and every setting, in the spec's words."""

    block: Block
    kind: str
    settings: Canonical
    layers: int  # how many primitives


class Expander:
    """Turns items into blocks; what is wrong on the way goes to `problems`."""

    def __init__(
        self, defaults: Defaults, blocks: Mapping[str, UserBlock], parameters: Substitution, problems: Problems
    ) -> None:
        self.problems = problems
        self._parameters = parameters  # the spec's, which bodies of its blocks may use as well
        self.parser = ItemParser(blocks, self.complain)
        self._defaults = {name: value for name, value in defaults if value is not None}
        self._blocks = blocks
        self.scopes: list[Scope] = []  # of the trunk and of each body inside another that is being made
        self._uses: list[Use] = []  # the spec's own blocks that are being written out
        self._cache: dict[tuple[Path, bool, Shape | None], Expanded | None] = {}
        self._depth = OUTER_DEPTH  # of the canonical form, which has to be loaded again
        self._work = 0
        self._made = 0  # layers, each of which the network would have at least once
        self._places: dict[int, tuple[Block, Path]] = {}  # of the blocks that stand in bodies, by their identity

    def complain(self, path: Path, message: str, *, at_key: bool = False, of_use: bool = False) -> None:
        """Note a problem where it was written; `of_use`: one that other uses of a block may not have."""
        path = self._written(path)
        if of_use and self._uses:
            message = used_at(path, self._uses[0].path, message)
        self.problems.add(path, message, at_key=at_key)

    def _written(self, path: Path) -> Path:
        """Where the value at `path` was written: elsewhere, if that is a `$name` in a block's body."""
        for use in reversed(self._uses):
            path = use.origin(path)
        return path

    def place(self, block: Block, names: Sequence[str], path: Path) -> tuple[Path, Sequence[str]]:
        """Where the part `names` of `block`, an item at `path`, was written, and what is left of its names there."""
        rest = names
        for number, name in enumerate(names, 1):
            parts = block.children if isinstance(block, Chain | Wired) else getattr(block, "branches", ())
            block = dict(parts).get(name, block)
            if id(block) in self._places:
                path, rest = self._places[id(block)][1], names[number:]
        return path, rest

    def check(self, item: Parsed) -> None:
        """Validate an item's settings, and those of all items inside it, without knowing any channels."""
        self.expand(item, None)
        self.expand(item, None, first=True)

    def expand(self, item: Parsed, shape: Shape | None, *, first: bool = False) -> Expanded | None:
        """The block of one copy of an item on a map; None where there is a problem, or no map to go by."""
        key = (item.path, first and bool(item.first), shape)
        if key not in self._cache:
            with made_for(shape or ()):
                self._cache[key] = self._expand(item, shape, item.first if first else {})
        return self._cache[key]

    def _expand(self, item: Parsed, shape: Shape | None, first: Mapping[str, Any]) -> Expanded | None:
        settings = {**item.settings, **first}
        if not self._may_work(100) or self._made > MAX_LAYERS:
            return None
        paths = {word: _path(item, first, word) for word in settings}
        if item.kind in self._blocks:
            return self._own(item, settings, paths, shape)
        block = block_type(item.kind)
        assert block is not None  # parsing has seen to it
        values = self._validated(block, settings, item, first)
        nested = self._nested(block, settings, paths, None if values is None else shape)
        if values is None or nested is None or shape is None:
            return None
        if not self._has_axes(block, values, paths, len(shape) - 1):
            return None
        values.update({block.settings[word].name: made for word, (made, _) in nested.items()})
        try:
            made, resolved = block.make(shape[0], values)
        except SettingError as error:
            self.complain(_path(item, first, error.setting), error.reason, of_use=True)
            return None
        except ValueError as error:  # FieldspecError, or what a user's function has to say
            self.complain(item.here, about(item.kind, about(block.name, str(error))), of_use=True)
            return None
        except Exception as error:  # a user's function may raise anything; it is said where it was used
            reason = f"block {block.name!r} raised {type(error).__name__}: {error}"
            self.complain(item.here, reason, of_use=True)
            return None
        if not isinstance(made, Block):
            self.complain(item.here, f"block {block.name!r} gives {written(made)}, which is not a Block")
            return None
        form = canonical(block, resolved, {word: form for word, (_, form) in nested.items()})
        layers = count_layers(made)
        self._made += 0 if nested else layers  # what holds items is made of what has been counted
        if not self.fits(self._made, ("layers",)):
            return None
        return Expanded(made, block.stands_for or block.name, form, layers)

    def _may_work(self, amount: int) -> bool:
        """Whether the bound on what one spec may cost still holds."""
        self._work += amount
        if self._work > MAX_WORK:
            self.problems.add(("layers",), "take too long to write out. Use fewer items, or smaller ones")
        return self._work <= MAX_WORK

    def _validated(
        self, block: BlockType, settings: Mapping[str, Any], item: Parsed, first: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Settings by their Python names, with the spec's defaults and then the block's own filled in."""
        values = dict(settings)
        for word, setting in block.places.items():
            if values.get(word) is not None and setting.holds_items(values[word]):
                values[word] = ()  # only that it is there; `_nested` sees what it holds
        for word, value in usual_values(block, self._defaults).items():
            values.setdefault(word, value)
        model, problems = validate(settings_model(block), values, item.here)
        for problem in problems:
            below = problem.path[len(item.here) :]
            path = (*_path(item, first, str(below[0])), *below[1:]) if below else item.here
            misplaced = problem.at_key and below[0] in ITEM_KEYS
            message = f"belongs beside {item.kind}, not inside it" if misplaced else problem.message
            self.complain(path, message, at_key=problem.at_key)
        if model is None:
            return None
        return {setting.name: getattr(model, setting.name) for setting in block.settings.values()}

    def _has_axes(self, block: BlockType, values: Mapping[str, Any], paths: Mapping[str, Path], axes: int) -> bool:
        """Whether what has a number for each axis has as many as the map; of a vector, layers complain themselves."""
        fits = True
        for word in per_axis_settings(block):
            value = values[block.settings[word].name]
            if axes and isinstance(value, tuple) and len(value) != axes:
                named = "one axis" if axes == 1 else f"{axes} axes"
                self.complain(paths[word], f"has {len(value)} numbers, and the map has {named}")
                fits = False
        return fits

    # -- bodies and branches ---------------------------------------------------------------------------------

    def _nested(
        self, block: BlockType, settings: Mapping[str, Any], paths: Mapping[str, Path], shape: Shape | None
    ) -> dict[str, tuple[Any, Any]] | None:
        """The blocks of the settings that hold items, and their canonical forms; None behind a problem.

        Those of the first copy stand at a path of their own, by which they are remembered and complained of.
        """
        made: dict[str, Any] = {}
        for word, setting in block.places.items():
            items = settings.get(word)
            if items is None or not setting.holds_items(items):
                continue
            if setting.holds != "branches":
                made[word] = self.chain(items, paths[word], shape)
            else:
                share = len(items) if settings.get("split") is True and isinstance(items, list | tuple) else 1
                made[word] = self._branches(items, paths[word], shape and (shape[0] // max(1, share), *shape[1:]))
        return None if None in made.values() else made

    def _branches(
        self, branches: Any, path: Path, shape: Shape | None
    ) -> tuple[tuple[Block, ...], list[list[Canonical]]] | None:
        if not isinstance(branches, list | tuple):
            self.complain(path, f"needs {ITEMS['branches'].words}, gets {written(branches)}")
            return None
        self._depth += 1
        there = [(index, branch) for index, branch in enumerate(branches) if branch is not LEFT_OUT]
        ends = [self.chain(branch, (*path, index), shape) for index, branch in there]
        self._depth -= 1
        done = [end for end in ends if end is not None]
        return (tuple(end[0] for end in done), [end[1] for end in done]) if len(done) == len(ends) else None

    def chain(self, items: Any, path: Path, shape: Shape | None) -> tuple[Block, list[Canonical]] | None:
        """The items of a body as one block, and their canonical forms; None behind a problem."""
        if not isinstance(items, list | tuple):
            self.complain(path, f"needs {ITEMS['body'].words}, gets {written(items)}")
            return None
        self._depth += 3  # the list, an item, its settings
        if self._depth > MAX_DEPTH:
            self.complain(path, f"nested too deep: deeper than {MAX_DEPTH}, written out. Make the spec flatter")
            items, shape = (), None
        made = self.wired(self.parser.parse(items, path, top=False), shape)
        self._depth -= 3
        return made

    def wired(self, items: Sequence[Parsed | None], shape: Shape | None) -> tuple[Block, list[Canonical]] | None:
        """The same of items that have been taken apart: each reads the one before, or those that its `from` names."""
        scope = Scope(items, self.complain, self.scopes)
        self.scopes.append(scope)
        shapes, names = [shape], ["input"]  # what an item may read
        children: list[tuple[str, Block]] = []
        forms: list[Canonical] = []
        read: list[tuple[int, ...]] = []
        layers = 0
        for number, item in enumerate(items):
            sources = scope.sources(item, number) if item else ()
            operands = [shapes[source] for source in sources] or [None]
            made = self.copies(item, *operands) if item else None
            layers += made.layers if made else 0
            fits = item is not None and made is not None and self.fits(layers, item.path)
            shapes.append(_shape_after(made.block, *operands) if made and fits else None)
            names.append(item.id if item else "")
            if item is None:
                continue
            scope.places[item.id] = number + 1
            read.append(sources)
            if made is not None:
                children.append((item.id, made.block))
                forms.append({"id": item.id, made.kind: made.settings, **names_read(sources, number, names)})
        self.scopes.pop()
        alike = len({name for name, _ in children}) < len(children)  # as the parser has complained
        if len(read) < len(items) or not all(read) or not self._all_read(items, read) or None in shapes or alike:
            return None
        in_series = all(sources == (number,) for number, sources in enumerate(read))
        return Chain(tuple(children)) if in_series else Wired(tuple(children), tuple(read)), forms

    def _all_read(self, items: Sequence[Parsed | None], read: Sequence[tuple[int, ...]]) -> bool:
        """Whether each item but the last is read by another; complains of those that are not."""
        seen = {source for sources in read for source in sources} | {len(items)}
        unread = [item for number, item in enumerate(items, 1) if item is not None and number not in seen]
        for item in unread:
            self.complain(item.path, f"nothing reads {item.id!r}. Name it in a from, or take it out")
        return not unread

    def copies(self, item: Parsed, *shapes: Shape | None) -> Expanded | None:
        """All copies of an item of a body as one block; `shapes` are those of what it reads."""
        depth = 3 if item.repeat > 1 else 0  # a chain's settings, its body, an item
        self._depth += depth
        copies: list[Expanded] = []
        for copy in range(item.repeat):
            made = self.expand(item, shapes[0] if None not in shapes else None, first=copy == 0)
            shapes = (self._after(made, item, shapes),)
            if made is not None and shapes[0] is not None:
                copies.append(made)
            elif copy:
                break  # the first copy may differ from the others, which are all alike
        self._depth -= depth
        if len(copies) < item.repeat:
            return None
        for made in copies:
            self._places[id(made.block)] = (made.block, self._written(item.here))
        if item.repeat == 1:
            return copies[0]
        body = [{"id": str(number), made.kind: made.settings} for number, made in enumerate(copies)]
        block = Chain(tuple((str(number), made.block) for number, made in enumerate(copies)))
        return Expanded(block, "chain", {"body": body}, sum(made.layers for made in copies))

    def _after(self, made: Expanded | None, item: Parsed, shapes: Sequence[Shape | None]) -> Shape | None:
        """The map behind one copy of an item of a body; None behind a problem."""
        if made is None or None in shapes or not self.fits(made.layers * item.repeat, (*item.path, "repeat")):
            return None
        if not check_operands(item, made.block, len(shapes), self.complain):
            return None
        shape = _shape_after(made.block, *shapes)
        if len(shape) > 1 and shape[0] > MAX_CHANNELS:
            self.complain(item.here, too_many_channels(shape[0]), of_use=True)
            return None
        return shape

    def fits(self, layers: int, path: Path) -> bool:
        """Whether so many layers keep within the bound; complains where they do not."""
        if layers > MAX_LAYERS:
            self.complain(path, TOO_MANY_LAYERS, of_use=True)
        return layers <= MAX_LAYERS

    # -- the spec's own blocks -------------------------------------------------------------------------------

    def _own(
        self, item: Parsed, settings: Mapping[str, Any], paths: Mapping[str, Path], shape: Shape | None
    ) -> Expanded | None:
        uses = [use.kind for use in self._uses]
        if item.kind in uses:
            way = " > ".join([*uses[uses.index(item.kind) :], item.kind])
            self.complain(item.here, f"block {item.kind!r} contains itself: {way}. Take it out of its own body")
            return None
        own, use = self._blocks[item.kind], Use(item.kind, item.here, paths)
        values = given(own, item.here, settings, paths, self.complain)
        outer, self._cache = self._cache, {}  # the same paths stand for other settings in every use of the block
        scopes, self.scopes = self.scopes, []
        self._uses.append(use)
        body = None
        if values is not None:
            body, used = use.written_out(own, values, self._parameters.values, MAX_WRITTEN_OUT, self.complain)
            self._parameters.used |= used - own.params.keys()
        chain = None
        if body is not None and self._may_work(10 * use.size):
            chain = self.chain(body, use.body, shape)
        self._uses.pop()
        self._cache, self.scopes = outer, scopes
        if chain is None:
            return None
        return Expanded(chain[0], "chain", {"body": chain[1]}, count_layers(chain[0]))


def _shape_after(block: Block, *shapes: Shape | None) -> Shape:
    """The map behind a block; one of the same size where a layer does not fit, as will be said when it is placed."""
    known = [shape for shape in shapes if shape is not None]  # all are, where a block has been made
    try:
        return shape_after(block, *known)
    except ShapeError:
        return (block.out_channels_of(known[0][0]), *known[0][1:])


def _path(item: Parsed, first: Mapping[str, Any], word: str) -> Path:
    """Where an item's setting was written: among those of the first copy, or of all."""
    return (*item.path, "first", word) if word in first else (*item.here, word)
