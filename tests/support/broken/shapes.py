"""What does not fit: groups, windows, maps that meet."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
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
    "group norm on its own": (
        "input: [16, 32, 32]\nlayers: [{norm: {type: group}}]",
        [
            "2:24: layers[0].norm.type: 32 groups do not divide 16 channels. Use {group: 16}.",
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
            "3:21: layers[0].conv_transpose: padding (2, 2) crops a 1x1 map to nothing; use a smaller padding",
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
            "4:11: layers[1].conv: needs a map (channels, height, width), gets (3072,); put it before flatten",
        ],
    ),
    "norm on a vector": (
        HEAD + "layers:\n  - flatten:\n  - norm: {type: group}",
        [
            "4:11: layers[1].norm: GroupNorm needs a map (channels, height, width), gets (3072,); put it before flatten",
        ],
    ),
    "head on a vector": (
        HEAD + "layers:\n  - flatten:\nhead: {classes: 10}",
        [
            "4:7: head: needs a map to pool, gets a vector of 3072. Remove flatten, or use pool: none",
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
    "resize beyond all": (
        HEAD + "layers:\n  - resize: {scale: 4096}",
        [
            "3:13: layers[0].resize: returns a map of 131072x131072, but at most 65536x65536 is supported",
        ],
    ),
    "channels beyond all": (
        HEAD + "layers:\n  - dense: {growth: 65536}",
        [
            "3:12: layers[0].dense: has 65539 channels, but at most 65536 are supported (at dense1.layer1)",
        ],
    ),
    "projection around a resize": (
        HEAD + "layers:\n  - residual: {body: [{resize: {scale: 2}}]}",
        [
            "3:15: layers[0].residual: a body that enlarges the map cannot have this shortcut; use shortcut: none",
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
            "5:11: layers[2].add: a.act (jump 2) and b.act (jump 1) have the same map 16x16 but different jumps, so their units are not aligned. Give both the same strides.",
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
            "4:7: layers[0].parallel: parallel1.branch1.conv1.act (jump 2) and parallel1.branch2.conv1.act (jump 1) have the same map 16x16 but different jumps, so their units are not aligned. Give both the same strides.",
        ],
    ),
    "channels that are not there": (
        HEAD + "layers:\n  - conv: {out: 6}\n  - slice: {start: 2, stop: 8}",
        [
            "4:29: layers[1].slice.stop: 8 is more than the input's 6 channels",
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
    "branches that do not fit": (
        HEAD + "layers:\n  - parallel: {merge: add, branches: [[{conv: {out: 8}}], []]}",
        [
            "3:15: layers[0].parallel: add needs equal shapes, gets 8x32x32 and 3x32x32",
        ],
    ),
}
