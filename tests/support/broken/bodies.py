"""Blocks of the spec's own, bodies and branches."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
    "own block's unused parameter": (
        HEAD + "blocks: {own: {params: {stride: 1}, body: [{conv: {out: 8}}]}}\nlayers: [{own: {stride: 2}}]",
        [
            "2:25: blocks.own.params.stride: is not used in the body as $stride. Use it, or remove it",
        ],
    ),
    "own block twice": (
        HEAD + "blocks: {conv: {body: [{act: }]}, Own: {body: [{act: }]}}\nlayers: [{act: }]",
        [
            "2:10: blocks.conv: is a block of the library. Give it another name",
            "2:35: blocks.Own: is not a valid block name. Use lower-case letters, digits and '_', starting with a letter",
        ],
    ),
    "own block without a body": (
        HEAD + "blocks: {own: {params: {a: 1}}}\nlayers: [{own: }]",
        [
            "2:15: blocks.own: missing key 'body': give a list of items",
        ],
    ),
    "own block of a list": (
        HEAD + "blocks: {own: [{act: }], other: {params: 3, body: 3, bodi: 3}}\nlayers: [{own: }]",
        [
            "2:15: blocks.own: needs a mapping with params, body, gets [{act: ~}]",
            "2:42: blocks.other.params: needs a mapping of names to defaults, ~ for required ones, gets 3",
            "2:51: blocks.other.body: needs a list of items, gets 3",
            "2:54: blocks.other.bodi: unknown key. Did you mean 'body'?",
        ],
    ),
    "own block's parameters": (
        HEAD
        + (
            "blocks: {own: {params: {width: ~, k: 3}, body: [{conv: {out: $width}}]}}\n"
            "layers:\n"
            "  - own: {widht: 8}\n"
            "  - own:"
        ),
        [
            "4:10: layers[0].own: missing key 'width': block 'own' has no default for it",
            "4:11: layers[0].own.widht: unknown key. Did you mean 'width'?",
            "5:9: layers[1].own: missing key 'width': block 'own' has no default for it",
        ],
    ),
    "own block's value": (
        HEAD + ("blocks: {own: {params: {width: ~}, body: [{conv: {out: $width}}]}}\nlayers:\n  - own: {width: wide}"),
        [
            "4:18: layers[0].own.width: needs a whole number from 1 to 65536, or same, gets 'wide'",
        ],
    ),
    "own block's default": (
        HEAD + "blocks: {own: {params: {width: wide}, body: [{conv: {out: $width}}]}}\nlayers:\n  - own:",
        [
            "2:32: blocks.own.params.width: needs a whole number from 1 to 65536, or same, gets 'wide'",
        ],
    ),
    "own block's unknown parameter": (
        HEAD + "blocks: {own: {params: {width: 8}, body: [{conv: {out: $wdth}}]}}\nlayers:\n  - own:",
        [
            "2:56: blocks.own.body[0].conv.out: unknown parameter '$wdth'. Did you mean 'width'?",
        ],
    ),
    "inside an own block": (
        HEAD + "blocks:\n  own:\n    body:\n      - conv: {out: 8, strid: 2}\nlayers:\n  - own:\n  - own:",
        [
            "5:24: blocks.own.body[0].conv.strid: unknown key. Did you mean 'stride'?",
        ],
    ),
    "misfit inside an own block": (
        HEAD
        + (
            "blocks:\n"
            "  own:\n"
            "    body:\n"
            "      - conv: {out: 8, groups: 2}\n"
            "layers:\n"
            "  - conv: {out: 8}\n"
            "  - own:\n"
            "  - conv: {out: 7}\n"
            "  - own:"
        ),
        [
            "5:32: blocks.own.body[0].conv.groups: 2 does not divide channels (=7). Use 1. (used at layers[3].own)",
        ],
    ),
    "window inside an own block": (
        (
            "input: [3, 8, 8]\n"
            "blocks:\n"
            "  own:\n"
            "    body:\n"
            "      - conv: {out: 8, kernel: 5, padding: 0}\n"
            "layers:\n"
            "  - own:\n"
            "  - own:"
        ),
        [
            "5:15: blocks.own.body[0].conv: 5x5 with padding 0 needs at least 5x5, gets 4x4 (used at layers[1].own)",
        ],
    ),
    "recursion": (
        HEAD + "blocks:\n  a: {body: [{b: }]}\n  b: {body: [{act: }, {a: }]}\nlayers:\n  - a:",
        [
            "4:27: blocks.b.body[1].a: block 'a' contains itself: a > b > a. Remove it from its own body",
        ],
    ),
    "doubling": (
        HEAD
        + "blocks:\n  b0: {body: [{act: }]}\n"
        + "".join(f"  b{n}: {{body: [{{b{n - 1}: }}, {{b{n - 1}: }}]}}\n" for n in range(1, 41))
        + "layers:\n  - b40:",
        [
            "45:5: layers[0]: more than 1000000 layers, unrolled. Use fewer copies",
        ],
    ),
    "setting inside a body": (
        HEAD + "layers:\n  - residual: {body: [{chain: {body: [{conv: {kernel: 3}}]}}]}",
        [
            "3:46: layers[0].residual.body[0].chain.body[0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
        ],
    ),
    "inside branches": (
        HEAD + "layers:\n  - parallel: {merge: sum, branches: [[{conv: {ot: 8}}], [cnv], 3]}",
        [
            "3:23: layers[0].parallel.merge: needs add, multiply or concat, gets 'sum'",
            "3:47: layers[0].parallel.branches[0][0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
            "3:48: layers[0].parallel.branches[0][0].conv.ot: unknown key. Did you mean 'out'?",
            "3:59: layers[0].parallel.branches[1][0]: needs a mapping with one block, such as {conv: {out: 32}}, gets 'cnv'",
            "3:65: layers[0].parallel.branches[2]: needs a list of items, gets 3",
        ],
    ),
    "one branch": (
        HEAD + "layers:\n  - parallel: {merge: add, branches: [[{conv: {out: 8}}]]}",
        [
            "3:15: layers[0].parallel: needs at least two branches; [] is the identity",
        ],
    ),
    "branches as items": (
        HEAD + "layers:\n  - parallel: {merge: add, branches: [{conv: {out: 3}}, {conv: {out: 3}}]}",
        [
            "3:39: layers[0].parallel.branches[0]: needs a list of items, gets {conv: {out: 3}}",
            "3:57: layers[0].parallel.branches[1]: needs a list of items, gets {conv: {out: 3}}",
        ],
    ),
    "body as an item": (
        HEAD + "layers:\n  - residual: {body: {conv: {out: 3}}}",
        [
            "3:22: layers[0].residual.body: needs a list of items, gets {conv: {out: 3}}",
        ],
    ),
}
