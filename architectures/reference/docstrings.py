"""Parses the docstrings of blocks: prose, formulas, and an example in a spec."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

from fieldspec.blocks.block_type import BlockType
from fieldspec.blocks.errors import FieldspecError

KEYS = ("channels", "size", "field", "jump", "params", "macs")
_SECTION = re.compile(r"^([A-Z][a-z ]+):$", re.MULTILINE)
_FORMULA = re.compile(r"(\w+)(?: \{(.+)\})?: (.+)")


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula for one number of a block, with the setting names of specs.

    `in` is the number of input channels; `in_size`, `field` and `jump` are those of the input along one axis; `in_h`,
    `in_w`, `out_h` and `out_w` are the sizes of both maps.
    """

    key: str  # one of KEYS
    where: str  # settings for which it holds, as a flow mapping without braces; empty for the default
    text: str  # in Python syntax; with a leading sign, added to the default formula
    remark: str = ""


@dataclass(frozen=True, slots=True)
class BlockDoc:
    """The parsed docstring of a block."""

    prose: str
    formulas: tuple[Formula, ...]
    example: str  # a list of items in YAML; the last one is the block


def block_doc(block: BlockType) -> BlockDoc:
    """Parse the docstring of a block's function.

    Raises:
        FieldspecError: A line under `Formulas:` is not a formula.
    Example:
        >>> from fieldspec.blocks.registry import block_type
        >>> block_doc(block_type("linear")).formulas[-1]
        Formula(key='macs', where='', text='in * out', remark='')
    """
    prose, *rest = _SECTION.split(inspect.getdoc(block.function) or "")
    sections = dict(zip(rest[::2], map(inspect.cleandoc, rest[1::2]), strict=True))
    formulas = _formulas(block.name, sections.get("Formulas", ""))
    return BlockDoc(prose.strip(), formulas, sections.get("In a spec", ""))


def _formulas(name: str, text: str) -> tuple[Formula, ...]:
    """One formula per line; indented lines continue the previous one."""
    found = []
    for line in re.sub(r"\n +", " ", text).splitlines():
        match = _FORMULA.fullmatch(line)
        if match is None or match[1] not in KEYS:
            needs = f"one of {', '.join(KEYS)}, a colon and an expression"
            raise FieldspecError(f"block {name!r}: {line!r} in its docstring is not a formula; needs {needs}")
        expression, _, remark = match[3].partition("; ")
        found.append(Formula(match[1], match[2] or "", expression, remark))
    return tuple(found)
