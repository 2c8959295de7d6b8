"""The parameters of a spec, and the expressions in which they stand."""

# ruff: noqa: E501  # a message is one line
from __future__ import annotations

from broken.words import HEAD
from fieldspec.architectures.expansion.expressions import EXAMPLE

BROKEN: dict[str, tuple[str, list[str]]] = {
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
            "2:17: params.width: must be given: --set width=VALUE, or load(..., width=VALUE). Null as a value is {default: ~}",
        ],
    ),
    "parameter that is not used": (
        HEAD + "params: {width: 8}\nlayers:\n  - conv: {out: 8}",
        [
            "2:10: params.width: is not used in the spec as $width. Use it, or remove it",
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
            "2:9: params: needs a mapping of names to values, ~ for required ones, gets [8]",
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
            f"5:17: layers[1].conv.out: '2$w' has an unexpected 'w'. {EXAMPLE}",
            "6:17: layers[2].conv.out: '$w / 0' divides by zero",
            "7:17: layers[3].conv.out: $kind is 'relu', but '2*$kind' needs a number",
            "8:17: layers[4].conv.out: '(2*$w' lacks a ')'",
            "9:17: layers[5].conv.out: '2 ** $w' lacks a value at '*'",
            f"10:17: layers[6].conv.out: 'costs $w' is not an expression: 'c'. {EXAMPLE}",
            "11:17: layers[7].conv.out: 'round_to($w)': round_to takes a value and a positive step",
        ],
    ),
}
