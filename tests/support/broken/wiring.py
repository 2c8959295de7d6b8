"""`from`: what an item reads, and what a merge needs."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
    "merge without from": (
        HEAD + "layers:\n  - add:",
        [
            "3:5: layers[0]: add needs from: a list of at least two ids",
        ],
    ),
    "merge of one": (
        HEAD + "layers:\n  - {concat: , from: input}",
        [
            "3:5: layers[0]: concat needs from: a list of at least two ids",
        ],
    ),
    "merge repeated": (
        HEAD + "layers:\n  - {add: , from: [input, input], repeat: 2}",
        [
            "3:35: layers[0].repeat: add cannot be repeated. Remove it",
        ],
    ),
    "two inputs to a conv": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: a}\n  - {conv: {out: 8}, from: [a, input]}",
        [
            "4:28: layers[1].from: conv takes one input, gets 2. Merge them with add or concat first",
        ],
    ),
    "unknown from": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: stem}\n  - {conv: {out: 8}, from: stm}",
        [
            "4:28: layers[1].from: no earlier item has the id 'stm'. Did you mean 'stem'?",
        ],
    ),
    "from below": (
        HEAD + "layers:\n  - {conv: {out: 8}, from: b}\n  - {conv: {out: 8}, id: b}",
        [
            "3:28: layers[0].from: 'b' comes later, but an item can only read earlier ones. Move it up",
        ],
    ),
    "from itself": (
        HEAD + "layers:\n  - {add: , from: [input, a], id: a}",
        [
            "3:27: layers[0].from[1]: an item cannot read itself. Name an earlier one",
        ],
    ),
    "from a number": (
        HEAD + "layers:\n  - {conv: {out: 8}, from: 1}",
        [
            "3:28: layers[0].from: needs an id or a list of ids, gets 1",
        ],
    ),
    "from a copy that is not": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: s, repeat: 2}\n  - {conv: {out: 8}, from: s.2}",
        [
            "4:28: layers[1].from: no earlier item has the id 's.2'. Did you mean 's.1'?",
        ],
    ),
    "from inside a body": (
        HEAD
        + (
            "layers:\n"
            "  - {conv: {out: 8}, id: a}\n"
            "  - residual: {body: [{conv: {out: 8}, from: a}, {act: , tap: true}]}"
        ),
        [
            "4:46: layers[1].residual.body[0].from: 'a' is outside this body, which can only read its own items and input. "
            "Use from: input",
            "4:58: layers[1].residual.body[1].tap: is not allowed inside a body. Use tap in layers",
        ],
    ),
    "merge inside a body": (
        HEAD + "layers:\n  - residual: {body: [{add: }]}",
        [
            "3:23: layers[0].residual.body[0]: add needs from: a list of at least two ids",
        ],
    ),
    "ids that are not above, inside a body": (
        HEAD
        + (
            "layers:\n"
            "  - chain:\n"
            "      body:\n"
            "        - {conv: {out: 8}, id: a, from: a}\n"
            "        - {conv: {out: 8}, id: b, from: c}\n"
            "        - {add: , from: [b, d], id: c}\n"
            "        - {chain: {body: [{act: , from: b}]}}\n"
        ),
        [
            "5:41: layers[0].chain.body[0].from: an item cannot read itself. Name an earlier one",
            "6:41: layers[0].chain.body[1].from: 'c' comes later, but an item can only read earlier ones. Move it up",
            "7:29: layers[0].chain.body[2].from[1]: no earlier item has the id 'd'. Known: input, a, b.",
            "8:41: layers[0].chain.body[3].chain.body[0].from: 'b' is outside this body, which can only read its own items "
            "and input. Use from: input",
        ],
    ),
    "what items inside a body read": (
        HEAD
        + (
            "layers:\n"
            "  - parallel:\n"
            "      merge: add\n"
            "      branches:\n"
            "        - - {conv: {out: 8}, id: a}\n"
            "          - {conv: {out: 8}, id: b}\n"
            "          - {conv: {out: 8}, from: [a, b]}\n"
            "        - - {conv: {out: 8}, id: a}\n"
            "          - {add: , from: [a, input], repeat: 2}\n"
            "        - - {conv: {out: 8}, id: a}\n"
            "          - {conv: {out: 8}, from: input}\n"
        ),
        [
            "8:36: layers[0].parallel.branches[0][2].from: conv takes one input, gets 2. Merge them with add or concat first",
            "10:39: layers[0].parallel.branches[1][1].repeat: add cannot be repeated. Remove it",
            "11:13: layers[0].parallel.branches[2][0]: nothing reads 'a'. Name it in a from, or remove it",
        ],
    ),
    "shapes that meet inside a body": (
        HEAD
        + (
            "blocks:\n"
            "  late:\n"
            "    params: {out: ~}\n"
            "    body:\n"
            "      - {conv: {out: $out}, id: a}\n"
            "      - {add: , from: [input, a], id: b}\n"
            "      - {concat: , from: [a, b]}\n"
            "layers:\n"
            "  - late: {out: 3}\n"
            "  - late: {out: 8}\n"
        ),
        [
            "7:15: blocks.late.body[1].add: needs equal shapes, gets 6x32x32 and 8x32x32 (used at layers[1].late)",
        ],
    ),
    "ids inside a body": (
        HEAD + "layers:\n  - residual: {body: [{act: , id: a}, {act: , id: a}, {act: , id: forward}]}",
        [
            "3:51: layers[0].residual.body[1].id: 'a' is already the id of body[0]. Choose another id",
            "3:67: layers[0].residual.body[2].id: 'forward' is reserved by Python, torch or the spec. Choose another id",
        ],
    ),
}
