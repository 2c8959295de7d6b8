"""Broken specs, each with the exact lines in which it is refused. A message is read before it is put here."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.expansion.expressions import EXAMPLE
from fieldspec.architectures.spec.spec import load, loads
from fieldspec.cli import main

HEAD = "input: [3, 32, 32]\n"
KNOWN_BLOCKS = (
    "act, adaptive_pool, add, avg_pool, chain, concat, conv, conv_transpose, dense, depth_to_space, "
    "depthwise_separable, dilated, drop_path, dropout, flatten, global_pool, head, identity, inverted_residual, "
    "linear, max_pool, multiply, norm, pad, parallel, pool, residual, resize, scale, shuffle, slice, space_to_depth, squeeze_excite, strided"
)
ACTS = "tanh, leaky_relu, elu, prelu, mish, hardtanh, softmax"
COMPARISON = 'needs a comparison in quotes such as "> 44" or "< 200k" (k, M and G are decimal)'

# What is broken, the text, and the lines; the file's name before each is left out.
BROKEN: dict[str, tuple[str, list[str]]] = {
    "unknown key at the top": (
        HEAD + "layer: [{conv: {out: 8}}]",
        [
            "1:1: missing key 'layers': give a list of one item or more",
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
    "pooling of another kind": (
        HEAD + "layers: [{max_pool: {type: avg}}]",
        [
            "2:28: layers[0].max_pool.type: needs max, gets 'avg'",
        ],
    ),
    "own block's unused parameter": (
        HEAD + "blocks: {own: {params: {stride: 1}, body: [{conv: {out: 8}}]}}\nlayers: [{own: {stride: 2}}]",
        [
            "2:25: blocks.own.params.stride: stands nowhere in the body as $stride. Write it there, or leave it out",
        ],
    ),
    "group norm on its own": (
        "input: [16, 32, 32]\nlayers: [{norm: {type: group}}]",
        [
            "2:24: layers[0].norm.type: 32 groups do not divide 16 channels. Use {group: 16}.",
        ],
    ),
    "repeated id with a dot": (
        HEAD + "layers: [{conv: {out: 8}, id: a.1, repeat: 2}]",
        [
            "2:31: layers[0].id: 'a.1' cannot be repeated: ids have one dot at most. Give one without",
        ],
    ),
    "name": (
        "name: my net\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:7: name: needs letters, digits, '_', '-' and '.', a letter first, gets 'my net'",
        ],
    ),
    "name of a number": (
        "name: 1\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:7: name: needs letters, digits, '_', '-' and '.', a letter first, gets 1",
        ],
    ),
    "description": (
        "description: [a]\ninput: [3, 32, 32]\nlayers: [{conv: {out: 8}}]",
        [
            "1:14: description: needs a text, gets [a]",
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
            "1:1: missing key 'layers': give a list of one item or more",
        ],
    ),
    "empty layers": (
        HEAD + "layers: []",
        [
            "2:9: layers: needs a list of one item or more, gets []",
        ],
    ),
    "layers as a mapping": (
        HEAD + "layers:\n  conv: {out: 8}",
        [
            "3:3: layers: needs a list of one item or more, gets {conv: {out: 8}}",
        ],
    ),
    "layers of nothing": (
        HEAD + "layers:",
        [
            "2:8: layers: needs a list of one item or more, gets nothing",
        ],
    ),
    "item without a block": (
        HEAD + "layers:\n  - {id: a}",
        [
            "3:5: layers[0]: needs one block beside id, from, repeat, first, tap; gets none",
        ],
    ),
    "item of two blocks": (
        HEAD + "layers:\n  - {conv: {out: 8}, act: }",
        [
            "3:5: layers[0]: needs one block beside id, from, repeat, first, tap; gets 'conv' and 'act'",
        ],
    ),
    "item as a word": (
        HEAD + "layers:\n  - max_pool",
        [
            "3:5: layers[0]: needs a mapping with one block, such as {max_pool: {}}, gets 'max_pool'",
        ],
    ),
    "item as an unknown word": (
        HEAD + "layers: [maxpool]",
        [
            "2:10: layers[0]: needs a mapping with one block, such as {conv: {out: 32}}, gets 'maxpool'",
        ],
    ),
    "item as a number": (
        HEAD + "layers: [8]",
        [
            "2:10: layers[0]: needs a mapping with one block, such as {conv: {out: 32}}, gets 8",
        ],
    ),
    "unknown block": (
        HEAD + "layers:\n  - resnet: {out: 8}",
        [
            "3:5: layers[0].resnet: unknown block 'resnet'. Did you mean 'residual'?",
        ],
    ),
    "misspelt block": (
        HEAD + "layers:\n  - invertedresidual: {out: 8}",
        [
            "3:5: layers[0].invertedresidual: unknown block 'invertedresidual'. Did you mean 'inverted_residual'?",
        ],
    ),
    "unknown block, none near": (
        HEAD + "layers:\n  - zzz: {out: 8}",
        [
            f"3:5: layers[0].zzz: unknown block 'zzz'. Known: {KNOWN_BLOCKS}.",
        ],
    ),
    "key inside instead of beside": (
        HEAD + "layers:\n  - conv: {out: 8, repeat: 2}",
        [
            "3:20: layers[0].conv.repeat: belongs beside conv, not inside it",
        ],
    ),
    "key beside instead of inside": (
        HEAD + "layers:\n  - {conv: {out: 8}, stride: 2}",
        [
            "3:22: layers[0].stride: belongs inside conv, not beside it",
        ],
    ),
    "misspelt key beside": (
        HEAD + "layers:\n  - {conv: {out: 8}, form: input}",
        [
            "3:22: layers[0].form: unknown key. Did you mean 'from'?",
        ],
    ),
    "settings not indented": (
        HEAD + "layers:\n  - conv:\n    out: 8",
        [
            "3:10: layers[0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
            "4:5: layers[0].out: belongs inside conv, not beside it",
        ],
    ),
    "settings as a number": (
        HEAD + "layers:\n  - conv: 8",
        [
            "3:11: layers[0].conv: needs a mapping of settings, gets 8",
        ],
    ),
    "misspelt setting": (
        HEAD + ("layers:\n  - conv: {out: 8}\n  - conv: {out: 8}\n  - conv: {out: 8}\n  - conv: {out: 32, strid: 2}"),
        [
            "6:21: layers[3].conv.strid: unknown key. Did you mean 'stride'?",
        ],
    ),
    "torch's word": (
        HEAD + "layers:\n  - conv: {out_channels: 8, kernel_size: 3}",
        [
            "3:11: layers[0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
            "3:12: layers[0].conv.out_channels: unknown key. Did you mean 'out'?",
            "3:29: layers[0].conv.kernel_size: unknown key. Did you mean 'kernel'?",
        ],
    ),
    "setting of another block": (
        HEAD + "layers:\n  - max_pool: {dilation: 2}",
        [
            "3:16: layers[0].max_pool.dilation: unknown key. Known: type, kernel, stride, padding, ceil_mode, count_include_pad.",
        ],
    ),
    "missing setting": (
        HEAD + "layers:\n  - conv: {kernel: 3}",
        [
            "3:11: layers[0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
        ],
    ),
    "missing settings": (
        HEAD + "layers:\n  - conv:",
        [
            "3:10: layers[0].conv: missing key 'out': give a whole number from 1 to 65536, or same",
        ],
    ),
    "missing type": (
        HEAD + "layers:\n  - pool: {kernel: 2}",
        [
            "3:11: layers[0].pool: missing key 'type': give max or avg",
        ],
    ),
    "every setting of a wrong type": (
        HEAD
        + (
            "layers:\n"
            "  - conv: {out: eight, kernel: [0], stride: 0, padding: sam, dilation: 1.5, groups: depth, bias: 1, norm: bach, act: rel, order: [conv, act], dropout: 1}"
        ),
        [
            "3:17: layers[0].conv.out: needs a whole number from 1 to 65536, or same, gets 'eight'",
            "3:32: layers[0].conv.kernel: needs a whole number from 1 to 4096, or [height, width], gets [0]",
            "3:45: layers[0].conv.stride: needs a whole number from 1 to 4096, or [height, width], gets 0",
            "3:57: layers[0].conv.padding: needs a whole number, same, tf, [height, width] or [[top, bottom], [left, right]], gets 'sam'",
            "3:72: layers[0].conv.dilation: needs a whole number from 1 to 4096, or [height, width], gets 1.5",
            "3:85: layers[0].conv.groups: needs a whole number, or depthwise, gets 'depth'",
            "3:98: layers[0].conv.bias: needs true or false, gets 1",
            "3:107: layers[0].conv.norm: needs batch, layer, group, {group: 8}, {batch: {eps: 0.001}} or none, gets 'bach'",
            f"3:118: layers[0].conv.act: needs relu, relu6, silu, gelu, hardswish, hardsigmoid, sigmoid, {ACTS} or none, gets 'rel'",
            "3:130: layers[0].conv.order: needs a list of conv, norm and act, once each, in the order in which they run, gets [conv, act]",
            "3:152: layers[0].conv.dropout: needs a number from 0 to 1, 1 excluded, gets 1",
        ],
    ),
    "channels of 10^9": (
        HEAD + "layers:\n  - conv: {out: 1000000000}",
        [
            "3:17: layers[0].conv.out: needs a whole number from 1 to 65536, or same, gets 1000000000",
        ],
    ),
    "group norm of no groups": (
        HEAD + "layers:\n  - conv: {out: 8, norm: {groups: 4}}",
        [
            "3:26: layers[0].conv.norm: needs batch, layer, group, {group: 8}, {batch: {eps: 0.001}} or none, gets {groups: 4}",
        ],
    ),
    "nothing for a setting": (
        HEAD + "layers:\n  - conv: {out: }",
        [
            "3:17: layers[0].conv.out: needs a whole number from 1 to 65536, or same, gets nothing",
        ],
    ),
    "groups": (
        "input: [32, 8, 8]\nlayers:\n  - conv: {out: 32, groups: 6}",
        [
            "3:29: layers[0].conv.groups: 6 does not divide channels (=32). Use 1, 2, 4, 8, 16 or 32.",
        ],
    ),
    "groups of the output": (
        "input: [6, 8, 8]\nlayers:\n  - conv: {out: 32, groups: 6}",
        [
            "3:29: layers[0].conv.groups: 6 does not divide out (=32). Use 1 or 2.",
        ],
    ),
    "group norm not dividing": (
        HEAD + "layers:\n  - conv: {out: 12, norm: group}",
        [
            "3:27: layers[0].conv.norm: 32 groups do not divide 12 channels. Use {group: 4}.",
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
    "window too large": (
        HEAD
        + "layers:\n"
        + "  - conv: {out: 8, stride: 2}\n" * 3
        + "  - conv: {out: 8}\n" * 4
        + "  - conv: {out: 8, dilation: 2, padding: 0}",
        [
            "10:11: layers[7].conv: 3x3 with dilation 2 and padding 0 needs at least 5x5, gets 4x4",
        ],
    ),
    "window too large on one axis": (
        "input: [3, 4, 32]\nlayers:\n  - conv: {out: 8, kernel: [7, 3], padding: [1, 0]}",
        [
            "3:11: layers[0].conv: 7x3 with padding [[1, 1], [0, 0]] needs at least 5x3, gets 4x32",
        ],
    ),
    "pool too large": (
        "input: [3, 4, 4]\nlayers:\n  - max_pool: {kernel: 5}",
        [
            "3:15: layers[0].max_pool: 5x5 with padding 0 needs at least 5x5, gets 4x4",
        ],
    ),
    "pool with too much padding": (
        HEAD + "layers:\n  - max_pool: {kernel: 2, padding: 2}",
        [
            "3:36: layers[0].max_pool.padding: 2 is more than half of kernel (=2)",
        ],
    ),
    "conv_transpose leaves nothing": (
        "input: [3, 1, 1]\nlayers:\n  - conv_transpose: {out: 8, padding: 2}",
        [
            "3:21: layers[0].conv_transpose: padding (2, 2) leaves nothing of a 1x1 map; use a smaller padding",
        ],
    ),
    "output_padding": (
        HEAD + "layers:\n  - conv_transpose: {out: 8, output_padding: 2}",
        [
            "3:46: layers[0].conv_transpose.output_padding: 2 must be smaller than stride (=2) or dilation (=1)",
        ],
    ),
    "linear on a map": (
        HEAD + "layers:\n  - linear: {out: 10}",
        [
            "3:13: layers[0].linear: needs a flat vector, gets a map (3, 32, 32); put global_pool and flatten before it, or use conv with kernel: 1 on each unit",
        ],
    ),
    "conv on a vector": (
        HEAD + "layers:\n  - flatten:\n  - conv: {out: 8}",
        [
            "4:11: layers[1].conv: needs a map (channels, height, width), gets (3072,); put it before the flattening",
        ],
    ),
    "norm on a vector": (
        HEAD + "layers:\n  - flatten:\n  - norm:",
        [
            "4:10: layers[1].norm: BatchNorm needs a map (channels, height, width), gets (3072,); put it before the flattening",
        ],
    ),
    "head on a vector": (
        HEAD + "layers:\n  - flatten:\nhead: {classes: 10}",
        [
            "4:7: head: needs a map to pool, gets a vector of 3072. Leave out the flattening, or give pool: none",
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
    "depth_to_space": (
        HEAD + "layers:\n  - depth_to_space: {block: 2}",
        [
            "3:21: layers[0].depth_to_space: block 2 needs channels that 4 divides, gets 3",
        ],
    ),
    "space_to_depth": (
        "input: [3, 9, 9]\nlayers:\n  - space_to_depth:",
        [
            "3:20: layers[0].space_to_depth: block 2 does not divide the map 9x9",
        ],
    ),
    "resize to nothing": (
        HEAD + "layers:\n  - resize: {mode: bilinear}",
        [
            "3:13: layers[0].resize: needs one of scale and size",
        ],
    ),
    "resize to both": (
        HEAD + "layers:\n  - resize: {scale: 2, size: 8}",
        [
            "3:13: layers[0].resize: needs one of scale and size",
        ],
    ),
    "resize beyond all": (
        HEAD + "layers:\n  - resize: {scale: 4096}",
        [
            "3:13: layers[0].resize: gives a map of 131072x131072, and at most 65536x65536 is built",
        ],
    ),
    "channels beyond all": (
        HEAD + "layers:\n  - dense: {growth: 65536}",
        [
            "3:12: layers[0].dense: gives 65539 channels, and at most 65536 are built (at dense1.layer1)",
        ],
    ),
    "both expansions": (
        HEAD + "layers:\n  - inverted_residual: {out: 8, expand: 8, expand_ratio: 2}",
        [
            "3:24: layers[0].inverted_residual: needs one of expand (channels) and expand_ratio (a factor)",
        ],
    ),
    "no expansion": (
        HEAD + "layers:\n  - inverted_residual: {out: 8}",
        [
            "3:24: layers[0].inverted_residual: needs one of expand (channels) and expand_ratio (a factor)",
        ],
    ),
    "residual of nothing": (
        HEAD + "layers:\n  - residual: {stride: 2}",
        [
            "3:15: layers[0].residual: needs one of out and body",
        ],
    ),
    "residual of both": (
        HEAD + "layers:\n  - residual: {out: 8, body: [{conv: {out: 8}}]}",
        [
            "3:15: layers[0].residual: needs one of out and body",
        ],
    ),
    "residual with body and stride": (
        HEAD + "layers:\n  - residual: {body: [{conv: {out: 8}}], stride: 2}",
        [
            "3:15: layers[0].residual: stride, middle, kernel, dilation, groups, bias and dropout belong inside the body",
        ],
    ),
    "projection around a resize": (
        HEAD + "layers:\n  - residual: {body: [{resize: {scale: 2}}]}",
        [
            "3:15: layers[0].residual: a body that enlarges the map cannot have a projection around it; use shortcut: none",
        ],
    ),
    "add of channels": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: a}\n  - {conv: {out: 9}, id: b}\n  - {add: , from: [a, b]}",
        [
            "5:11: layers[2].add: needs equal shapes, gets 8x32x32 and 9x32x32",
        ],
    ),
    "add of sizes": (
        HEAD + ("layers:\n  - {conv: {out: 8}, id: a}\n  - {strided: {out: 8}, id: b}\n  - {add: , from: [a, b]}"),
        [
            "5:11: layers[2].add: needs equal shapes, gets 8x32x32 and 8x16x16",
        ],
    ),
    "concat of sizes": (
        HEAD + ("layers:\n  - {conv: {out: 8}, id: a}\n  - {strided: {out: 8}, id: b}\n  - {concat: , from: [a, b]}"),
        [
            "5:14: layers[2].concat: needs equal map sizes, gets 8x32x32 and 8x16x16",
        ],
    ),
    "merge of jumps": (
        HEAD
        + (
            "layers:\n"
            "  - {strided: {out: 8}, id: a}\n"
            "  - {conv: {out: 8, kernel: 17, padding: 0}, id: b, from: input}\n"
            "  - {add: , from: [a, b]}"
        ),
        [
            "5:11: layers[2].add: a.act (jump 2) and b.act (jump 1) have the same map 16x16 but different jumps, so their units do not lie on each other. Give both the same strides.",
        ],
    ),
    "merge of jumps in branches": (
        HEAD
        + (
            "layers:\n"
            "  - parallel:\n"
            "      merge: add\n"
            "      branches:\n"
            "        - [{strided: {out: 8}}]\n"
            "        - [{conv: {out: 8, kernel: 17, padding: 0}}]"
        ),
        [
            "4:7: layers[0].parallel: parallel1.branch1.conv1.act (jump 2) and parallel1.branch2.conv1.act (jump 1) have the same map 16x16 but different jumps, so their units do not lie on each other. Give both the same strides.",
        ],
    ),
    "merge without from": (
        HEAD + "layers:\n  - add:",
        [
            "3:5: layers[0]: add needs from: a list of two ids or more",
        ],
    ),
    "merge of one": (
        HEAD + "layers:\n  - {concat: , from: input}",
        [
            "3:5: layers[0]: concat needs from: a list of two ids or more",
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
            "4:28: layers[1].from: conv takes one input, gets 2. Merge them by add or concat first",
        ],
    ),
    "unknown from": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: stem}\n  - {conv: {out: 8}, from: stm}",
        [
            "4:28: layers[1].from: no item above has the id 'stm'. Did you mean 'stem'?",
        ],
    ),
    "from below": (
        HEAD + "layers:\n  - {conv: {out: 8}, from: b}\n  - {conv: {out: 8}, id: b}",
        [
            "3:28: layers[0].from: 'b' stands below, and an item reads what stands above it. Move it up",
        ],
    ),
    "from itself": (
        HEAD + "layers:\n  - {add: , from: [input, a], id: a}",
        [
            "3:27: layers[0].from[1]: an item cannot read itself. Name one above it",
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
            "4:28: layers[1].from: no item above has the id 's.2'. Did you mean 's.1'?",
        ],
    ),
    "duplicate ids": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: a}\n  - {conv: {out: 8}, id: a}",
        [
            "4:26: layers[1].id: 'a' is the id of layers[0] already. Give another id",
        ],
    ),
    "id of a copy": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: s, repeat: 2}\n  - {conv: {out: 8}, id: s.0}",
        [
            "4:26: layers[1].id: 's.0' is the id of layers[0] already. Give another id",
        ],
    ),
    "id of a number given by hand": (
        HEAD + "layers:\n  - {act: , id: conv1}\n  - conv: {out: 8}",
        [
            "4:5: layers[1]: 'conv1' is the id of layers[0] already. Give another id",
        ],
    ),
    "reserved id": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: forward}",
        [
            "3:26: layers[0].id: 'forward' is a word of Python, torch or the spec itself. Give another id",
        ],
    ),
    "id of the spec": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: input}",
        [
            "3:26: layers[0].id: 'input' is a word of Python, torch or the spec itself. Give another id",
        ],
    ),
    "id of Python": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: lambda}",
        [
            "3:26: layers[0].id: 'lambda' is a word of Python, torch or the spec itself. Give another id",
        ],
    ),
    "id in capitals": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: Stem}",
        [
            "3:26: layers[0].id: needs lower-case letters, digits and '_', a letter first, gets 'Stem'",
        ],
    ),
    "id of a number": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: 1}",
        [
            "3:26: layers[0].id: needs lower-case letters, digits and '_', a letter first, gets 1",
        ],
    ),
    "repeat of 10^9": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: 1000000000}",
        [
            "3:30: layers[0].repeat: needs a whole number from 1 to 1000000, gets 1000000000",
        ],
    ),
    "repeat of zero": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: 0}",
        [
            "3:30: layers[0].repeat: needs a whole number from 1 to 1000000, gets 0",
        ],
    ),
    "repeat of truth": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: true}",
        [
            "3:30: layers[0].repeat: needs a whole number from 1 to 1000000, gets true",
        ],
    ),
    "too many layers": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: 500000}",
        [
            "3:30: layers[0].repeat: more than 1000000 layers, unrolled. Use fewer copies",
        ],
    ),
    "repeats of repeats": (
        HEAD + "layers:\n  - chain: {body: [{conv: {out: 8}, repeat: 10000}]}\n    repeat: 10000",
        [
            "3:5: layers[0]: more than 1000000 layers, unrolled. Use fewer copies",
        ],
    ),
    "too many together": (
        HEAD + "layers:\n  - {act: , repeat: 600000}\n  - {act: , repeat: 600000}",
        [
            "3:3: layers: more than 1000000 layers, unrolled. Use fewer copies",
        ],
    ),
    "first without repeat": (
        HEAD + "layers:\n  - {conv: {out: 8}, first: {stride: 2}}",
        [
            "3:22: layers[0].first: has no effect without 'repeat'. Move it into the settings",
        ],
    ),
    "first of a number": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: 2, first: 2}",
        [
            "3:40: layers[0].first: needs a mapping of settings, gets 2",
        ],
    ),
    "in the first alone": (
        HEAD
        + (
            "layers:\n"
            "  - {conv: {out: 8}, repeat: 2, first: {strid: 2}}\n"
            "  - {conv: {out: 8}, repeat: 2, first: {stride: 0}}"
        ),
        [
            "3:41: layers[0].first.strid: unknown key. Did you mean 'stride'?",
            "4:49: layers[1].first.stride: needs a whole number from 1 to 4096, or [height, width], gets 0",
        ],
    ),
    "misfit of the first alone": (
        HEAD + "layers:\n  - {conv: {out: 8}, repeat: 2, first: {groups: 2}}",
        [
            "3:49: layers[0].first.groups: 2 does not divide channels (=3). Use 1.",
        ],
    ),
    "tap": (
        HEAD + "layers:\n  - {conv: {out: 8}, tap: 1}",
        [
            "3:27: layers[0].tap: needs true or false, gets 1",
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
            "2:42: blocks.other.params: needs a mapping of names to defaults, ~ where one is required, gets 3",
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
    "channels that are not there": (
        HEAD + "layers:\n  - conv: {out: 6}\n  - slice: {start: 2, stop: 8}",
        [
            "4:29: layers[1].slice.stop: 8 is more than the 6 channels that there are",
        ],
    ),
    "channels that are none": (
        HEAD + "layers:\n  - conv: {out: 6}\n  - slice: {start: 6}",
        [
            "4:20: layers[1].slice.start: 6 leaves no channel before stop (=6)",
        ],
    ),
    "channels that cannot be shared": (
        HEAD + "layers:\n  - conv: {out: 6}\n  - parallel: {merge: concat, split: true, branches: [[], [], [], []]}",
        [
            "4:38: layers[1].parallel.split: 4 branches do not divide the 6 channels",
        ],
    ),
    "channels that cannot be shuffled": (
        HEAD + "layers:\n  - conv: {out: 6}\n  - shuffle: {groups: 4}",
        [
            "4:23: layers[1].shuffle.groups: 4 does not divide the 6 channels",
        ],
    ),
    "parameter that is not there": (
        HEAD + "layers:\n  - conv: {out: $width}",
        [
            "3:17: layers[0].conv.out: unknown parameter '$width'. Known: none.",
        ],
    ),
    "parameter with another name": (
        HEAD + "params: {width: 8}\nlayers:\n  - conv: {out: $widht}",
        [
            "4:17: layers[0].conv.out: unknown parameter '$widht'. Did you mean 'width'?",
        ],
    ),
    "parameter that has to be given": (
        HEAD + "params: {width: ~}\nlayers:\n  - conv: {out: $width}",
        [
            "2:17: params.width: has to be given: --set width=VALUE, or load(..., width=VALUE). Null as a value is {default: ~}",
        ],
    ),
    "parameter that is not used": (
        HEAD + "params: {width: 8}\nlayers:\n  - conv: {out: 8}",
        [
            "2:10: params.width: stands nowhere in the spec as $width. Write it there, or leave it out",
        ],
    ),
    "parameter's name": (
        HEAD + "params: {Width: 8}\nlayers:\n  - conv: {out: 8}",
        [
            "2:10: params.Width: is not a valid parameter name. Use lower-case letters, digits and '_', starting with a letter",
        ],
    ),
    "parameters of a list": (
        HEAD + "params: [8]\nlayers:\n  - conv: {out: 8}",
        [
            "2:9: params: needs a mapping of names to values, ~ where one has to be given, gets [8]",
        ],
    ),
    "expression that is not whole": (
        HEAD + "params: {depth: 21}\nlayers:\n  - {conv: {out: 8}, repeat: ($depth - 2) / 6}",
        [
            "4:30: layers[0].repeat: needs a whole number from 1 to 1000000, gets 3.1666666666666665 (of ($depth - 2) / 6)",
        ],
    ),
    "expressions that cannot be read": (
        HEAD
        + (
            "params: {w: 8, kind: relu}\n"
            "layers:\n"
            "  - conv: {out: 2*$w +}\n"
            "  - conv: {out: 2$w}\n"
            "  - conv: {out: $w / 0}\n"
            "  - conv: {out: 2*$kind}\n"
            "  - conv: {out: (2*$w}\n"
            "  - conv: {out: 2 ** $w}\n"
            "  - conv: {out: costs $w}\n"
            "  - conv: {out: 'round_to($w)'}\n"
        ),
        [
            "4:17: layers[0].conv.out: '2*$w +' lacks a value at its end",
            f"5:17: layers[1].conv.out: '2$w' does not end at 'w'. {EXAMPLE}",
            "6:17: layers[2].conv.out: '$w / 0' divides by zero",
            "7:17: layers[3].conv.out: $kind is 'relu', and '2*$kind' needs a number",
            "8:17: layers[4].conv.out: '(2*$w' lacks a ')'",
            "9:17: layers[5].conv.out: '2 ** $w' lacks a value at '*'",
            f"10:17: layers[6].conv.out: 'costs $w' is not an expression: 'c'. {EXAMPLE}",
            "11:17: layers[7].conv.out: 'round_to($w)': round_to takes a value and a step over 0",
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
            "4:27: blocks.b.body[1].a: block 'a' contains itself: a > b > a. Take it out of its own body",
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
    "inside a body": (
        HEAD
        + (
            "layers:\n"
            "  - conv: {out: 8}\n"
            "  - residual:\n"
            "      body:\n"
            "        - conv: {out: 8}\n"
            "        - conv: {out: 8, kernel: 99, padding: 0}"
        ),
        [
            "7:17: layers[1].residual.body[1].conv: 99x99 with padding 0 needs at least 99x99, gets 32x32",
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
    "branches that do not fit": (
        HEAD + "layers:\n  - parallel: {merge: add, branches: [[{conv: {out: 8}}], []]}",
        [
            "3:15: layers[0].parallel: add needs equal shapes, gets 8x32x32 and 3x32x32",
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
    "from inside a body": (
        HEAD
        + (
            "layers:\n"
            "  - {conv: {out: 8}, id: a}\n"
            "  - residual: {body: [{conv: {out: 8}, from: a}, {act: , tap: true}]}"
        ),
        [
            "4:46: layers[1].residual.body[0].from: 'a' stands outside this body, which reads its own items and input. "
            "Use from: input",
            "4:58: layers[1].residual.body[1].tap: does not stand inside a body. Taps stand in layers",
        ],
    ),
    "merge inside a body": (
        HEAD + "layers:\n  - residual: {body: [{add: }]}",
        [
            "3:23: layers[0].residual.body[0]: add needs from: a list of two ids or more",
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
            "5:41: layers[0].chain.body[0].from: an item cannot read itself. Name one above it",
            "6:41: layers[0].chain.body[1].from: 'c' stands below, and an item reads what stands above it. Move it up",
            "7:29: layers[0].chain.body[2].from[1]: no item above has the id 'd'. Known: input, a, b.",
            "8:41: layers[0].chain.body[3].chain.body[0].from: 'b' stands outside this body, which reads its own items "
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
            "8:36: layers[0].parallel.branches[0][2].from: conv takes one input, gets 2. Merge them by add or concat first",
            "10:39: layers[0].parallel.branches[1][1].repeat: add cannot be repeated. Remove it",
            "11:13: layers[0].parallel.branches[2][0]: nothing reads 'a'. Name it in a from, or take it out",
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
            "3:51: layers[0].residual.body[1].id: 'a' is the id of body[0] already. Give another id",
            "3:67: layers[0].residual.body[2].id: 'forward' is a word of Python, torch or the spec itself. Give another id",
        ],
    ),
    "constraint of a number": (
        HEAD + "layers: [{act: }]\nconstraints: {receptive_field: 44}",
        [
            f'3:32: constraints.receptive_field: {COMPARISON}, gets 44. Say how it compares: "> 44"',
        ],
    ),
    "constraint without a sign": (
        HEAD + "layers: [{act: }]\nconstraints: {params: 200k}",
        [
            f"3:23: constraints.params: {COMPARISON}, gets '200k'",
        ],
    ),
    "constraint of another unit": (
        HEAD + "layers: [{act: }]\nconstraints: {memory: '< 64 KiB'}",
        [
            f"3:23: constraints.memory: {COMPARISON}, gets '< 64 KiB'",
        ],
    ),
    "constraint of two signs": (
        HEAD + "layers: [{act: }]\nconstraints: {macs: '> 3, <'}",
        [
            f"3:21: constraints.macs: {COMPARISON}, gets '> 3, <'",
        ],
    ),
    "unknown constraint": (
        HEAD + "layers: [{act: }]\nconstraints: {param: '< 3'}",
        [
            "3:15: constraints.param: unknown constraint. Did you mean 'params'?",
        ],
    ),
    "unknown property": (
        HEAD + "layers: [{act: }]\nconstraints: {uses: [depthwise_seperable], forbids: [3]}",
        [
            "3:22: constraints.uses[0]: unknown property 'depthwise_seperable'. Did you mean 'depthwise_separable'?",
            "3:54: constraints.forbids[0]: unknown property 3. Known: add, avg_pool, batch_norm, bias, concat, depthwise, depthwise_separable, dilated, drop_path, dropout, global_pool, grouped, layer_norm, group_norm, linear, max_pool, multiply, pool, resize, strided, transposed.",
        ],
    ),
    "properties as a word": (
        HEAD + "layers: [{act: }]\nconstraints: {uses: dilated}",
        [
            "3:21: constraints.uses: needs a list of properties such as [dilated], gets 'dilated'",
        ],
    ),
    "uses and forbids": (
        HEAD + "layers: [{act: }]\nconstraints:\n  uses: [dilated, pool]\n  forbids: [add, dilated]",
        [
            "5:18: constraints.forbids[1]: 'dilated' stands under uses as well. Remove one of the two",
        ],
    ),
    "constraints as a list": (
        HEAD + "layers: [{act: }]\nconstraints: [params]",
        [
            "3:14: constraints: needs a mapping such as {params: '< 200k'}, gets [params]",
        ],
    ),
    "unquoted comparison": (
        HEAD + "layers: [{act: }]\nconstraints:\n  receptive_field: > 44",
        [
            "4:20: '>' starts a block of text in YAML. Quote it: \"> 44\"",
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
            "3:5: layers[0]: tag '!!python/object/apply:os.system': tags are not read. Remove it, or quote the value",
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
            f'9:23: constraints.params: {COMPARISON}, gets 3. Say how it compares: "< 3"',
        ],
    ),
}


def problems(text: str) -> list[str]:
    """The lines in which a text is refused."""
    with pytest.raises(SpecError) as caught:
        loads(text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(("text", "lines"), BROKEN.values(), ids=BROKEN.keys())
def test_message(text: str, lines: list[str]) -> None:
    """Each problem is one line: place, path, what was given, what is needed, the mend."""
    assert problems(text) == lines


@pytest.mark.parametrize(("text", "lines"), BROKEN.values(), ids=BROKEN.keys())
def test_command(
    text: str, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fieldspec check` prints the same lines behind the file's name and ends with status 2, without a traceback."""
    path = tmp_path / "net.yaml"
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fieldspec", "check", "net.yaml"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "".join(f"net.yaml:{line}\n" for line in lines))


def test_every_mend_works() -> None:
    """The window that is too large, mended as its message says, fits."""
    text = BROKEN["window too large"][0]
    loads(text.replace("[3, 32, 32]", "[3, 40, 40]"))
    loads(BROKEN["groups of the output"][0].replace("groups: 6", "groups: 2"))
    loads(BROKEN["group norm not dividing"][0].replace("norm: group", "norm: {group: 4}"))
    loads(BROKEN["unquoted comparison"][0].replace("> 44", '"> 44"'))


def test_no_more_than_a_page() -> None:
    """A hundred lines are printed, and how many more there are; the error holds all of them."""
    with pytest.raises(SpecError) as caught:
        load({"input": [3, 8, 8], "layers": [{"conv": {"out": 0}}] * 1234})
    lines = str(caught.value).splitlines()
    assert len(lines) == 101
    assert lines[99] == "layers[99].conv.out: needs a whole number from 1 to 65536, or same, gets 0"
    assert lines[100] == "... and 1,134 more problems"
    assert len(caught.value.problems) == 1234
