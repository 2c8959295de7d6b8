"""Generates the reference of the spec language as a Markdown page: grammar, then all blocks."""

from __future__ import annotations

from importlib.resources import files

from fieldspec.analysis.inference.kinds import SRAM
from fieldspec.analysis.report.reading import report_of
from fieldspec.architectures.document.validation import words_of
from fieldspec.architectures.document.values import flow
from fieldspec.architectures.expansion.models import SpecDocument, value_type
from fieldspec.architectures.reference.docstrings import BlockDoc, Formula, block_doc
from fieldspec.architectures.reference.pictures import picture
from fieldspec.architectures.spec.constraints import PROPERTIES, TOP_LEVEL
from fieldspec.architectures.spec.schema import BESIDE
from fieldspec.architectures.spec.spec import loads
from fieldspec.blocks.block_type import REQUIRED, WORDS, BlockType, Setting
from fieldspec.blocks.registry import block_names, block_type
from fieldspec.blocks.settings import Says

INPUT = "[32, 16, 16]"  # for the examples


def markdown() -> str:
    """The grammar, and every registered block with its settings, formulas and structure."""
    grammar = files("fieldspec.architectures.reference").joinpath("grammar.md").read_text(encoding="utf-8")
    lists = {"measures": [name for name in TOP_LEVEL if name != "sram"], "sram": SRAM, "properties": PROPERTIES}
    filled = {place: ", ".join(f"`{word}`" for word in words) for place, words in lists.items()}
    for place, text in {**filled, "sections": _sections(), "item_keys": _item_keys()}.items():
        grammar = grammar.replace(f"{{{place}}}", text)
    names = " · ".join(f"[{name}](#{name})" for name in block_names())
    return "\n".join([grammar, names, "", *map(_block, block_names())])


def _sections() -> str:
    """One row per top-level key of a spec."""
    rows = []
    for name, section in SpecDocument.model_fields.items():
        says = [part.words for part in section.metadata if isinstance(part, Says)]
        plain = isinstance(section.default, int | str)
        default = "required" if section.is_required() else f"`{section.default}`" if plain else ""
        rows.append(f"| `{section.alias or name}` | {default} | {says[0] if says else words_of(section.annotation)} |")
    return "\n".join(rows)


def _item_keys() -> str:
    """One row per key that may accompany a block, with its description from the JSON Schema."""
    return "\n".join(f"| `{key}` | {schema['description']} |" for key, schema in BESIDE.items())


def _block(name: str) -> str:
    """The section of a block; a shorthand refers to its block."""
    block = block_type(name)
    assert block is not None
    if block.stands_for is not None:
        return "\n".join([f"### {name}", "", _shorthand(block), ""])
    doc = block_doc(block)
    parts = [f"### {name}", _in_words(doc.prose), _settings(block), _formulas(doc), _example(doc)]
    return "\n\n".join([part for part in parts if part]) + "\n"


def _shorthand(block: BlockType) -> str:
    made = ", ".join(
        f"`{word}: {flow(setting.default)}`" for word, setting in block.settings.items() if word in block.preset
    )
    fixed = " fixed" if block.fixed else " unless given"
    return f"[{block.stands_for}](#{block.stands_for}) with {made}{fixed}."


def _in_words(prose: str) -> str:
    """A docstring with the setting names of specs; single or double backticks mark code."""
    for word, python in WORDS.items():
        prose = prose.replace(python, word)
    return prose.replace("``", "`")


def _settings(block: BlockType) -> str:
    """A table of the settings, by their names in specs."""
    if not block.settings:
        return "No settings."
    rows = ["| setting | default | takes |", "|---|---|---|"]
    return "\n".join(
        [*rows, *[f"| `{word}` | {_default(one)} | {_takes(one)} |" for word, one in block.settings.items()]]
    )


def _default(setting: Setting) -> str:
    if setting.default is REQUIRED:
        return "required"
    whole = isinstance(setting.default, float) and setting.default.is_integer()
    return "" if setting.default is None else f"`{flow(int(setting.default) if whole else setting.default)}`"


def _takes(setting: Setting) -> str:
    return words_of(value_type(setting))


def _formulas(doc: BlockDoc) -> str:
    """A table of the formulas; numbers that are missing stay unchanged or are zero."""
    if not doc.formulas:
        return ""
    return "\n".join(["| number | formula |", "|---|---|", *map(_formula, doc.formulas)])


def _formula(formula: Formula) -> str:
    where = f" with `{formula.where}`" if formula.where else ""
    remark = f", {formula.remark}" if formula.remark else ""
    return f"| {formula.key}{where} | `{formula.text}`{remark} |"


def _example(doc: BlockDoc) -> str:
    """The items in the docstring, and the structure of the last one."""
    if not doc.example:
        return ""
    spec = loads(f"input: {INPUT}\nlayers:\n{doc.example}")
    graph = spec.graph
    start = next(n for n, node in enumerate(graph.nodes) if f"{node.id}.".startswith(f"{spec.items[-1].id}."))
    drawn = picture(spec.items[-1].block, report_of(graph), start)
    return f"```yaml\n{doc.example}\n```\n\n```text\n{drawn}\n```"
