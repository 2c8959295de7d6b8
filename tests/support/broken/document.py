"""The top level, its sections, and the text that they are written in."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import ACTS, COMPARISON, HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
    "unknown key at the top": (
        HEAD + "layer: [{conv: {out: 8}}]",
        [
            "1:1: missing key 'layers': give a list of at least one item",
            "2:1: layer: unknown key. Did you mean 'layers'?",
        ],
    ),
    "unknown key, none near": (
        HEAD + "layers: [{conv: {out: 8}}]\nzzz: 1",
        [
            "3:1: zzz: unknown key. Known: schema, name, description, input, params, defaults, blocks, layers, outputs, head, constraints, objectives.",
        ],
    ),
    "another schema": (
        "schema: 2\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:9: schema: needs 1, the only version, gets 2",
        ],
    ),
    "schema that equals one": (
        "schema: true\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:9: schema: needs 1, the only version, gets true",
        ],
    ),
    "name": (
        "name: my net\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:7: name: needs letters, digits, '_', '-' or '.', starting with a letter, gets 'my net'",
        ],
    ),
    "name of a number": (
        "name: 1\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:7: name: needs letters, digits, '_', '-' or '.', starting with a letter, gets 1",
        ],
    ),
    "description": (
        "description: [a]\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:14: description: needs text, gets [a]",
        ],
    ),
    "no input": (
        "layers: [{conv: {out: 8}}]",
        [
            "1:1: missing key 'input': give [channels, height, width], each from 1 to 65536",
        ],
    ),
    "input of one": (
        "input: [32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:8: input: needs [channels, height, width], each from 1 to 65536, gets [32]",
        ],
    ),
    "input of text": (
        "input: 3x32x32\nlayers: [{conv: {out: 8}}]",
        [
            "1:8: input: needs [channels, height, width], each from 1 to 65536, gets '3x32x32'",
        ],
    ),
    "input of zero": (
        "input: [3, 0, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:8: input: needs [channels, height, width], each from 1 to 65536, gets [3, 0, 32]",
        ],
    ),
    "input too large": (
        "input: [3, 1000000, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:8: input: needs [channels, height, width], each from 1 to 65536, gets [3, 1000000, 32]",
        ],
    ),
    "input of halves": (
        "input: [3, 32.0, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:8: input: needs [channels, height, width], each from 1 to 65536, gets [3, 32.0, 32]",
        ],
    ),
    "no layers": (
        "input: [3, 32, 32]",
        [
            "1:1: missing key 'layers': give a list of at least one item",
        ],
    ),
    "empty layers": (
        HEAD + "layers: []",
        [
            "2:9: layers: needs a list of at least one item, gets []",
        ],
    ),
    "layers as a mapping": (
        HEAD + "layers:\n  conv: {out: 8}",
        [
            "3:3: layers: needs a list of at least one item, gets {conv: {out: 8}}",
        ],
    ),
    "layers of nothing": (
        HEAD + "layers:",
        [
            "2:8: layers: needs a list of at least one item, gets nothing",
        ],
    ),
    "order by a default": (
        HEAD + "defaults: {order: [conv, conv, act]}\nlayers: [{conv: {out: 8}}]",
        [
            "2:19: defaults.order: needs a list of conv, norm and act, once each, in the order in which they run, gets [conv, conv, act]",
        ],
    ),
    "misspelt default": (
        HEAD + "defaults: {activation: relu}\nlayers: [{conv: {out: 8}}]",
        [
            "2:12: defaults.activation: unknown key. Did you mean 'act'?",
        ],
    ),
    "defaults as a list": (
        HEAD + "defaults: [relu]\nlayers: [{conv: {out: 8}}]",
        [
            "2:11: defaults: needs a mapping with order, act, norm, gets [relu]",
        ],
    ),
    "head without classes": (
        HEAD + "layers: [{conv: {out: 8}}]\nhead: {pool: avg}",
        [
            "3:7: head: missing key 'classes': give a whole number from 0 (no classifier) to 65536",
        ],
    ),
    "head's settings": (
        HEAD + "layers: [{conv: {out: 8}}]\nhead: {classes: ten, pol: max, dropout: 2}",
        [
            "3:17: head.classes: needs a whole number from 0 (no classifier) to 65536, gets 'ten'",
            "3:22: head.pol: unknown key. Did you mean 'pool'?",
            "3:41: head.dropout: needs a number from 0 to 1, 1 excluded, gets 2",
        ],
    ),
    "head as a number": (
        HEAD + "layers: [{conv: {out: 8}}]\nhead: 10",
        [
            "3:7: head: needs a mapping such as {pool: avg, classes: 10}, gets 10",
        ],
    ),
    "unquoted comparison": (
        HEAD + "layers: [{act: }]\nconstraints:\n  receptive_field: > 44",
        [
            "4:20: '>' starts a block scalar in YAML. Quote it: \"> 44\"",
        ],
    ),
    "duplicate key": (
        HEAD + "layers:\n  - conv: {out: 8, out: 9}",
        [
            "3:20: layers[0].conv.out: duplicate key, first at line 3, column 12. Remove one of the two",
        ],
    ),
    "tab": (
        HEAD + "layers:\n\t- conv: {out: 8}",
        [
            "3:1: a tab in the indentation. Use spaces",
        ],
    ),
    "tag": (
        HEAD + "layers:\n  - !!python/object/apply:os.system [ls]",
        [
            "3:5: layers[0]: tag '!!python/object/apply:os.system': tags are not supported. Remove it, or quote the value",
        ],
    ),
    "several at once": (
        (
            "nam: c1\n"
            "input: [3]\n"
            "defaults: {act: rel}\n"
            "layers:\n"
            "  - conv: {out: 8, strid: 2}\n"
            "  - resnet: {out: 8}\n"
            "  - {conv: {out: x}, tap: 1}\n"
            "head: {}\n"
            "constraints: {params: 3}"
        ),
        [
            "1:1: nam: unknown key. Did you mean 'name'?",
            "2:8: input: needs [channels, height, width], each from 1 to 65536, gets [3]",
            f"3:17: defaults.act: needs relu, relu6, silu, gelu, hardswish, hardsigmoid, sigmoid, {ACTS} or none, gets 'rel'",
            "5:20: layers[0].conv.strid: unknown key. Did you mean 'stride'?",
            "6:5: layers[1].resnet: unknown block 'resnet'. Did you mean 'residual'?",
            "7:18: layers[2].conv.out: needs a whole number from 1 to 65536, or same, gets 'x'",
            "7:27: layers[2].tap: needs true or false, gets 1",
            "8:7: head: missing key 'classes': give a whole number from 0 (no classifier) to 65536",
            f'9:23: constraints.params: {COMPARISON}, gets 3. Add a comparison: "< 3"',
        ],
    ),
}
