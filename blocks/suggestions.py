"""Suggestions for misspelled names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType


def did_you_mean(word: str, known: Iterable[str], synonyms: Mapping[str, str] = MappingProxyType({})) -> str:
    """A sentence that suggests the known name closest to `word`, to append to a message; empty if none is close.

    Tried in this order: synonyms, names with a similar spelling, names with the same beginning.

    Example:
        >>> did_you_mean("strid", ["kernel", "stride"])
        " Did you mean 'stride'?"
        >>> did_you_mean("resnet", ["residual", "resize"], {"resnet": "residual"})
        " Did you mean 'residual'?"
    """
    names = list(known)
    near = [synonyms[word]] if synonyms.get(word) in names else get_close_matches(word[:60], names, n=1)
    begun = [name for name in names if min(len(name), len(word)) > 2 and name[: len(word)] == word[: len(name)]]
    return f" Did you mean {(near or begun)[0]!r}?" if near or begun else ""
