"""The section `constraints`."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import COMPARISON, HEAD

BROKEN: dict[str, tuple[str, list[str]]] = {
    "constraint of a number": (
        HEAD + "layers: [{act: }]\nconstraints: {receptive_field: 44}",
        [
            f'3:32: constraints.receptive_field: {COMPARISON}, gets 44. Add a comparison: "> 44"',
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
            "5:18: constraints.forbids[1]: 'dilated' is also listed in uses. Remove one of the two",
        ],
    ),
    "constraints as a list": (
        HEAD + "layers: [{act: }]\nconstraints: [params]",
        [
            "3:14: constraints: needs a mapping such as {params: '< 200k'}, gets [params]",
        ],
    ),
}
