"""The exact search says what looking at every candidate says: the front, its first candidates, ties and all counts."""

from __future__ import annotations

from typing import Any

import pytest
from draws import draws
from hypothesis import given
from spaces import brute_force, objectives, searched, spaces

from fieldspec.architectures import check
from fieldspec.architectures.spaces.open_spec import OpenSpec, load_open
from fieldspec.search.space.candidates import values_of

FIELD = (("params",), ("receptive_field",))
MULTIPLY_ADDS = (("params",), ("macs",))
OWN = {"params": {"out": {"choice": [4, 8]}}, "body": [{"conv": {"out": "$out", "kernel": {"choice": [1, 3]}}}]}
CASES: dict[str, tuple[dict[str, Any], tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "every section": (
        {
            "input": [3, {"choice": [12, 16]}, 12],
            "defaults": {"norm": {"choice": ["batch", "none"]}},
            "blocks": {"own": OWN},
            "layers": [{"own": {}}, {"own": {"out": 6}, "repeat": {"choice": [1, 2]}}],
            "head": {"classes": {"choice": [3, 5]}, "body": [{"conv": {"out": {"choice": [4, 8]}, "kernel": 1}}]},
            "constraints": {"params": "< 1k"},
        },
        MULTIPLY_ADDS,
    ),
    "a budget that is open": (
        {
            "params": {"most": {"choice": ["< 300", "< 600"]}},
            "layers": [{"conv": {"out": {"choice": [4, 8]}}}, {"conv": {"out": {"choice": [4, 8]}}}],
            "constraints": {"params": "$most"},
        },
        (("macs",), ("params",)),
    ),
    "vectors in the trunk": (
        {"layers": [{"conv": {"out": {"choice": [4, 8]}}}, {"flatten": {}}, {"linear": {"out": {"choice": [2, 4]}}}]},
        MULTIPLY_ADDS,
    ),
    "a parameter that only one alternative uses": (
        {
            "params": {"kernel": {"choice": [3, 5]}},
            "layers": [{"choice": [{"conv": {"out": 4, "kernel": "$kernel"}}, {"max_pool": {}}]}, {"conv": {"out": 4}}],
        },
        FIELD,
    ),
    "items and settings that null leaves out": (
        {
            "params": {
                "gate": {"choice": [{"default": None}, {"ratio": 0.5}]},
                "item": {"choice": [{"default": None}, {"conv": {"out": 4}}]},
                "kernel": {"default": None},
                "norm": {"default": {"batch": {"eps": 1e-3}}},
            },
            "defaults": {"norm": "$norm"},
            "layers": [
                {"conv": {"out": {"choice": [4, 8]}, "kernel": "$kernel"}},
                "$item",
                {"squeeze_excite": "$gate"},
                {"inverted_residual": {"out": 8, "expand": {"choice": [8, 12]}, "squeeze_excite": "$gate"}},
            ],
        },
        MULTIPLY_ADDS,
    ),
    "units that differ behind resizing": (
        {
            "layers": [
                {"conv": {"out": 4, "kernel": {"choice": [3, 5]}}},
                {"resize": {"scale": {"choice": [2, 3]}}},
                {"conv": {"out": 4, "stride": {"choice": [1, 2, 3]}}},
            ]
        },
        FIELD,
    ),
    "channels that differ": (
        {
            "input": [4, 12, 12],
            "layers": [
                {
                    "parallel": {
                        "merge": "concat",
                        "split": True,
                        "branches": [[{"conv": {"out": 4, "kernel": {"choice": [1, 5]}}}], []],
                    }
                },
                {"shuffle": {"groups": 2}},
                {"conv": {"out": 6, "groups": {"choice": [1, 2, 3]}}},
                {"depthwise_separable": {"out": 4, "dilation": {"choice": [1, 2]}}},
            ],
            "constraints": {"receptive_field": "> 5, < 12", "uses": ["depthwise_separable"]},
        },
        (("params", "receptive_field"), ("macs",)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_cases_that_are_hard(name: str) -> None:
    """Each in its own way."""
    data, asked = CASES[name]
    agrees(load_open({"input": [3, 12, 12], **data}), asked)


@given(spaces(), objectives())
@draws(8)
def test_it_agrees_with_brute_force(spec: OpenSpec, asked: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """For spaces at random, under constraints and objectives at random; all that it returns keeps the constraints."""
    if spec.domains:
        agrees(spec, asked)


def agrees(spec: OpenSpec, asked: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    """Compare everything that is said of a space."""
    found = searched(spec, *asked)
    assert found == brute_force(spec, *asked)
    documents = [spec.document(values_of(spec, numbers)) for numbers, _ in found.front.values()]
    assert [check(document) for document in documents] == [[]] * len(documents)
