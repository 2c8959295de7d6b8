"""Translates errors of the YAML parser: position, reason on one line, and fix."""

from __future__ import annotations

import re

import yaml

from fieldspec.architectures.document.text import in_quotes, line_column

# What a parser, libyaml's or the pure one, says; whether its context is the position; what we say instead.
_REASONS = (
    ("unexpected end of stream", True, "this quote is never closed. Add the closing one"),
    ("expected ':'", True, "neither 'key: value' nor '- item'. Write a space after the colon"),
    ("mapping values", False, "a second ': ' in one value. Quote the value, or align the line with those above"),
    ("entries are not|keys are not", False, "no list item or key can start here. Start a new line, or quote it"),
    ("an anchor|an alias", True, "'&' and '*' are anchors and aliases in YAML. Quote the value"),
    ("escape", False, "this backslash is not a valid escape. Double it, or use single quotes"),
    ("block mapping", False, "does not continue the mapping of {opened}. Indent it like the keys there"),
    ("block collection", False, "does not continue the list of {opened}. Indent it like the items there"),
    ("expected ','", False, "a comma is missing before this, or the closing bracket for {opened}"),
    ("node content", False, "a value is missing before this. Write it, or null"),
    ("document start", False, "text after the end of the {noun}. Remove it, or indent it like the rest"),
)


def block_of_text(value: str) -> str:
    """Message for a value that YAML reads as the start of a block scalar."""
    return f"{value[0]!r} starts a block scalar in YAML. Quote it: {in_quotes(value)}"


def reason_of(error: yaml.YAMLError, text: str, noun: str) -> tuple[int, str]:
    """Where and why the scanner or parser stopped: one line, with the fix, the same for both parsers."""
    index, opened = (
        min(mark.index, len(text)) if mark else 0
        for mark in (getattr(error, name, None) for name in ("problem_mark", "context_mark"))
    )
    what = f"{getattr(error, 'context', None) or ''}: {getattr(error, 'problem', None) or error}"
    line = text.rfind("\n", 0, index) + 1
    tab = text.find("\t", line, index + 1)
    if tab == index or (tab >= 0 and not text[line:tab].strip(" -")):
        return tab, "a tab in the indentation. Use spaces"
    if "block scalar" in what or text[index : index + 1] in (">", "|"):
        index = opened if "block scalar" in what else index
        return index, block_of_text(re.split(r"[#,\]}]", text[index : index + 99].splitlines()[0])[0].strip())
    if "cannot start any token" in what:
        return index, f"{text[index]!r} cannot start a value. Quote the value"
    if "expected ','" in what and not text[index:].strip():
        return opened, f"{text[opened]!r} is never closed. Add {']' if text[opened] == '[' else '}'!r}"
    if re.search("block mapping|block collection", what) and text[line:index].strip(" -"):
        return index, "text after a complete value. Remove it, or quote the whole value"
    for pattern, at_context, reason in _REASONS:
        if re.search(pattern, what):
            place = "line {}, column {}".format(*line_column(text, opened))
            return opened if at_context else index, reason.format(opened=place, noun=noun)
    return index, f"not YAML: {what.removeprefix(': ')}"
