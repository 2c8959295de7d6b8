"""Blocks of the spec's own."""

from __future__ import annotations

import pytest
from written_specs import shape, spec_of

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.architectures.spec.writer import dump

INCEPTION = """
input: [3, 32, 32]
blocks:
  branch: {params: {out: ~, kernel: 1, norm: batch}, body: [{conv: {out: $out, kernel: $kernel, norm: $norm}}]}
  inception:
    params: {b1: ~, kernel: [3, 5], inner: []}
    body:
      - parallel:
          merge: concat
          branches: [[{branch: {out: $b1}}], [{branch: {out: 4, kernel: $kernel}}], $inner]
layers:
  - inception: {b1: 8}
  - inception: {b1: 2, kernel: 3, inner: [{branch: {out: 6, norm: {group: 2}}}]}
"""


def test_blocks_of_the_specs_own() -> None:
    """`~` is required, `$name` stands for a whole value (a number, a list, a body), and blocks nest."""
    spec = loads(INCEPTION)
    assert shape(spec) == (2 + 4 + 6, 32, 32)
    one, other = [item.settings["body"][0]["parallel"]["branches"] for item in spec.items]
    assert one[1][0]["chain"]["body"][0]["conv"]["kernel"] == [3, 5]
    assert one[2] == []
    assert other[2][0]["chain"]["body"][0]["conv"]["norm"] == {"group": 2}
    assert [item.id for item in spec.items] == ["inception1", "inception2"]


def test_canonical_form_of_own_blocks() -> None:
    """The canonical form knows only the library: a block of the spec's own is a chain there."""
    spec = loads(INCEPTION)
    assert [item.kind for item in spec.items] == ["chain", "chain"]
    assert "blocks" not in spec.canonical()
    assert load(spec.canonical()) == spec
    assert load(spec.canonical()).hash == spec.hash


def test_deepest_spec_has_a_canonical_form() -> None:
    """What nests as deep as is allowed can still be written down and read again."""
    own = ", ".join(f"b{n}: {{body: [{{b{n + 1}: }}]}}" for n in range(18))
    spec = spec_of("[{b0: }]", f", blocks: {{{own}, b18: {{body: [{{conv: {{out: 3, padding: 1}}}}]}}}}")
    assert loads(dump(spec, canonical=True)) == spec
    with pytest.raises(SpecError, match="nested deeper than 64 levels"):
        spec_of("[{b0: }]", f", blocks: {{{own}, b18: {{body: [{{b19: }}]}}, b19: {{body: [{{conv: {{out: 3}}}}]}}}}")
