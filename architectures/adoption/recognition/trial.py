"""Builds proposed items by the registry, to compare them with the parts they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fieldspec.architectures.adoption.graph.parts import PartsForm, form_of_block
from fieldspec.architectures.document.problems import Problems
from fieldspec.architectures.document.values import flow, listed
from fieldspec.architectures.expansion.expansion import Expander
from fieldspec.architectures.expansion.models import Defaults, UserBlock, usual_values
from fieldspec.architectures.expansion.parameters import Substitution
from fieldspec.blocks.block_type import REQUIRED
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.registry import block_type

ItemData = dict[str, Any]  # as written in a spec
Proposal = tuple[int, ItemData]  # (number of parts, item that may stand for them)
PLACE = ("layers",)
ABSENT = object()
MAX_SUBSTITUTED = 1_000_000  # keys and values, as for a spec


class Trial:
    """Builds items with the defaults of one spec, each only once."""

    def __init__(self, defaults: Mapping[str, Any], blocks: Mapping[str, UserBlock] | None = None) -> None:
        self.defaults = defaults
        self.blocks = blocks or {}
        self._model = Defaults(**_frozen(defaults))
        self._usuals: dict[str, dict[str, Any]] = {}
        self._known: dict[tuple[str, Shape], PartsForm | None] = {}

    def form(self, items: list[ItemData], shape: Shape) -> PartsForm | None:
        """The form of items on a map of this shape; None if they are invalid."""
        key = (flow(items), shape)
        if key not in self._known:
            self._known[key] = self._form(items, shape)
        return self._known[key]

    def why(self, item: ItemData, shape: Shape) -> str:
        """What is wrong with an item; empty if it can be built."""
        problems = Problems()
        self._made([item], shape, problems)
        return "; ".join(problem.message for problem in problems.all()) or "differs from what a spec builds"

    def _form(self, items: list[ItemData], shape: Shape) -> PartsForm | None:
        problems = Problems()
        made = self._made(items, shape, problems)
        return None if made is None or problems else form_of_block(made[0])

    def _made(self, items: list[ItemData], shape: Shape, problems: Problems) -> Any:
        parameters = Substitution({}, MAX_SUBSTITUTED, problems.add)
        return Expander(self._model, self.blocks, parameters, problems).bodies.chain(items, PLACE, shape)

    def shortest(self, item: ItemData, shape: Shape, wanted: PartsForm) -> ItemData | None:
        """An item without settings that equal the defaults; None if it does not build what is wanted."""
        ((kind, settings),) = item.items()
        usual = self.usual(kind)
        settings = {word: value for word, value in settings.items() if word not in usual or value != usual[word]}
        if self.form([{kind: settings}], shape) != wanted:
            return None
        for word in list(settings):
            if usual.get(word, ABSENT) is None or word == "shortcut":  # its default depends on other settings
                shorter = {key: value for key, value in settings.items() if key != word}
                if self.form([{kind: shorter}], shape) == wanted:
                    settings = shorter
        return {kind: {word: settings[word] for word in self._in_order(kind) if word in settings}}

    @staticmethod
    def _in_order(kind: str) -> list[str]:
        """The settings of a block in its own order, those that hold items last."""
        block = block_type(kind)
        known = {} if block is None else block.settings
        return sorted(known, key=lambda word: known[word].holds != "value")

    @staticmethod
    def own_blocks(blocks: Mapping[str, ItemData]) -> dict[str, UserBlock]:
        """Custom blocks of the spec as models of the document."""
        return {name: UserBlock(**_frozen(block)) for name, block in blocks.items()}

    def usual(self, kind: str) -> dict[str, Any]:
        """The default settings of a block."""
        block = block_type(kind)
        if kind in self._usuals or block is None:
            return self._usuals.get(kind, {})
        usual = usual_values(block, self.defaults)
        self._usuals[kind] = {
            word: listed(usual.get(word, setting.default))
            for word, setting in block.settings.items()
            if setting.default is not REQUIRED
        }
        return self._usuals[kind]


def _frozen(value: Any) -> Any:
    """Convert lists to tuples, as the models require."""
    if isinstance(value, list):
        return tuple([_frozen(one) for one in value])
    return {key: _frozen(one) for key, one in value.items()} if isinstance(value, Mapping) else value
