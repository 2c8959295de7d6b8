"""The settings of a block, each for itself and beside the others."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import ACTS, HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
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
    "pooling of another kind": (
        HEAD + "layers: [{max_pool: {type: avg}}]",
        [
            "2:28: layers[0].max_pool.type: needs max, gets 'avg'",
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
    "both expansions": (
        HEAD + "layers:\n  - inverted_residual: {out: 8, expand: 8, expand_ratio: 2}",
        [
            "3:24: layers[0].inverted_residual: needs either expand (channels) or expand_ratio (a factor)",
        ],
    ),
    "no expansion": (
        HEAD + "layers:\n  - inverted_residual: {out: 8}",
        [
            "3:24: layers[0].inverted_residual: needs either expand (channels) or expand_ratio (a factor)",
        ],
    ),
    "residual of nothing": (
        HEAD + "layers:\n  - residual: {stride: 2}",
        [
            "3:15: layers[0].residual: needs either out or body",
        ],
    ),
    "residual of both": (
        HEAD + "layers:\n  - residual: {out: 8, body: [{conv: {out: 8}}]}",
        [
            "3:15: layers[0].residual: needs either out or body",
        ],
    ),
    "residual with body and stride": (
        HEAD + "layers:\n  - residual: {body: [{conv: {out: 8}}], stride: 2}",
        [
            "3:15: layers[0].residual: stride, middle, kernel, dilation, groups, bias and dropout belong inside the body",
        ],
    ),
}
