"""What an item is: its block, the keys beside that, ids and copies."""

# a message is one line
from __future__ import annotations

from broken.words import HEAD, KNOWN_BLOCKS

BROKEN: dict[str, tuple[str, list[str]]] = {
    "item without a block": (
        HEAD + "layers:\n  - {id: a}",
        [
            "3:5: layers[0]: needs exactly one block besides id, from, repeat, first, tap; gets none",
        ],
    ),
    "item of two blocks": (
        HEAD + "layers:\n  - {conv: {out: 8}, act: }",
        [
            "3:5: layers[0]: needs exactly one block besides id, from, repeat, first, tap; gets 'conv' and 'act'",
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
    "repeated id with a dot": (
        HEAD + "layers: [{conv: {out: 8}, id: a.1, repeat: 2}]",
        [
            "2:31: layers[0].id: 'a.1' cannot be repeated: ids have at most one dot. Choose one without",
        ],
    ),
    "duplicate ids": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: a}\n  - {conv: {out: 8}, id: a}",
        [
            "4:26: layers[1].id: 'a' is already the id of layers[0]. Choose another id",
        ],
    ),
    "id of a copy": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: s, repeat: 2}\n  - {conv: {out: 8}, id: s.0}",
        [
            "4:26: layers[1].id: 's.0' is already the id of layers[0]. Choose another id",
        ],
    ),
    "id of a number given by hand": (
        HEAD + "layers:\n  - {act: , id: conv1}\n  - conv: {out: 8}",
        [
            "4:5: layers[1]: 'conv1' is already the id of layers[0]. Choose another id",
        ],
    ),
    "reserved id": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: forward}",
        [
            "3:26: layers[0].id: 'forward' is reserved by Python, torch or the spec. Choose another id",
        ],
    ),
    "id of the spec": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: input}",
        [
            "3:26: layers[0].id: 'input' is reserved by Python, torch or the spec. Choose another id",
        ],
    ),
    "id of Python": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: lambda}",
        [
            "3:26: layers[0].id: 'lambda' is reserved by Python, torch or the spec. Choose another id",
        ],
    ),
    "id in capitals": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: Stem}",
        [
            "3:26: layers[0].id: needs lower-case letters, digits and '_', starting with a letter, gets 'Stem'",
        ],
    ),
    "id of a number": (
        HEAD + "layers:\n  - {conv: {out: 8}, id: 1}",
        [
            "3:26: layers[0].id: needs lower-case letters, digits and '_', starting with a letter, gets 1",
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
}
