"""Bodies and branches: lists of items as one block, in series or wired by `from`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fieldspec.architectures.document.composer import MAX_DEPTH
from fieldspec.architectures.document.problems import Path
from fieldspec.architectures.document.values import written
from fieldspec.architectures.expansion.bounds import OUTER_DEPTH, too_many_channels
from fieldspec.architectures.expansion.canonical import Canonical
from fieldspec.architectures.expansion.expanded import Expanded
from fieldspec.architectures.expansion.items import Parsed
from fieldspec.architectures.expansion.models import ITEMS
from fieldspec.architectures.expansion.parameters import LEFT_OUT
from fieldspec.architectures.expansion.scope import Scope, check_operands, names_read
from fieldspec.blocks.block import Block, Chain, Wired
from fieldspec.blocks.errors import ShapeError
from fieldspec.blocks.graph import shape_after
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.settings import MAX_CHANNELS

if TYPE_CHECKING:
    from fieldspec.architectures.expansion.expansion import Expander


class Bodies:
    """Builds the blocks of lists of items; each item is built by the expander."""

    def __init__(self, expander: Expander) -> None:
        self.expander = expander
        self.complain, self.fits = expander.complain, expander.fits
        self.scopes: list[Scope] = []  # the scopes of the trunk and of the nested bodies being built
        self._depth = OUTER_DEPTH  # of the canonical form, which must be loadable
        self._places: dict[int, tuple[Block, Path]] = {}  # paths of the blocks in bodies, by their id

    def place(self, block: Block, names: Sequence[str], path: Path) -> tuple[Path, Sequence[str]]:
        """Path where the part `names` of `block`, an item at `path`, was written, and the names that remain there."""
        rest = names
        for number, name in enumerate(names, 1):
            parts = block.children if isinstance(block, Chain | Wired) else getattr(block, "branches", ())
            block = dict(parts).get(name, block)
            if id(block) in self._places:
                path, rest = self._places[id(block)][1], names[number:]
        return path, rest

    def branches(
        self, branches: Any, path: Path, shape: Shape | None
    ) -> tuple[tuple[Block, ...], list[list[Canonical]]] | None:
        """The blocks of several lists of items, and their canonical forms; None after a problem."""
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
        """The items of a body as one block, and their canonical forms; None after a problem."""
        if not isinstance(items, list | tuple):
            self.complain(path, f"needs {ITEMS['body'].words}, gets {written(items)}")
            return None
        self._depth += 3  # the list, an item, its settings
        if self._depth > MAX_DEPTH:
            self.complain(path, f"nested deeper than {MAX_DEPTH} levels when expanded. Make the spec flatter")
            items, shape = (), None
        made = self.wired(self.expander.parser.parse(items, path, top=False), shape)
        self._depth -= 3
        return made

    def wired(self, items: Sequence[Parsed | None], shape: Shape | None) -> tuple[Block, list[Canonical]] | None:
        """Like `chain`, for parsed items: each reads the previous one, or those named in its `from`."""
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
            made = self._copies(item, *operands) if item else None
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
        alike = len({name for name, _ in children}) < len(children)  # already reported by the parser
        if len(read) < len(items) or not all(read) or not self._all_read(items, read) or None in shapes or alike:
            return None
        in_series = all(sources == (number,) for number, sources in enumerate(read))
        return Chain(tuple(children)) if in_series else Wired(tuple(children), tuple(read)), forms

    def _all_read(self, items: Sequence[Parsed | None], read: Sequence[tuple[int, ...]]) -> bool:
        """Whether each item except the last is read by another; reports those that are not."""
        seen = {source for sources in read for source in sources} | {len(items)}
        unread = [item for number, item in enumerate(items, 1) if item is not None and number not in seen]
        for item in unread:
            self.complain(item.path, f"nothing reads {item.id!r}. Name it in a from, or remove it")
        return not unread

    def _copies(self, item: Parsed, *shapes: Shape | None) -> Expanded | None:
        """All copies of a body's item as one block; `shapes` are those of its inputs."""
        depth = 3 if item.repeat > 1 else 0  # a chain's settings, its body, an item
        self._depth += depth
        copies: list[Expanded] = []
        for copy in range(item.repeat):
            made = self.expander.expand(item, shapes[0] if None not in shapes else None, first=copy == 0)
            shapes = (self._after(made, item, shapes),)
            if made is not None and shapes[0] is not None:
                copies.append(made)
            elif copy:
                break  # only the first copy may differ from the others
        self._depth -= depth
        if len(copies) < item.repeat:
            return None
        for made in copies:
            self._places[id(made.block)] = (made.block, self.expander.written_at(item.here))
        if item.repeat == 1:
            return copies[0]
        body = [{"id": str(number), made.kind: made.settings} for number, made in enumerate(copies)]
        block = Chain(tuple((str(number), made.block) for number, made in enumerate(copies)))
        return Expanded(block, "chain", {"body": body}, sum(made.layers for made in copies))

    def _after(self, made: Expanded | None, item: Parsed, shapes: Sequence[Shape | None]) -> Shape | None:
        """The shape after one copy of a body's item; None after a problem."""
        if made is None or None in shapes or not self.fits(made.layers * item.repeat, (*item.path, "repeat")):
            return None
        if not check_operands(item, made.block, len(shapes), self.complain):
            return None
        shape = _shape_after(made.block, *shapes)
        if len(shape) > 1 and shape[0] > MAX_CHANNELS:
            self.complain(item.here, too_many_channels(shape[0]), of_use=True)
            return None
        return shape


def _shape_after(block: Block, *shapes: Shape | None) -> Shape:
    """The shape after a block; its input's if a layer does not accept it, which is reported when it is placed."""
    known = [shape for shape in shapes if shape is not None]  # all are known if a block was built
    try:
        return shape_after(block, *known)
    except ShapeError:
        return (block.out_channels_of(known[0][0]), *known[0][1:])
