"""An open spec of eight candidates and a recipe of seconds, for the tests of studies."""

from __future__ import annotations

from typing import Any

SPACE: dict[str, Any] = {
    "name": "small",
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out": {"choice": [4, 8]}, "stride": 4}},
        {"conv": {"out": {"choice": [8, 16]}, "stride": 2, "kernel": {"choice": [1, 3]}}},
    ],
    "head": {"classes": 10},
    "constraints": {"params": "< 900"},
    "objectives": {"minimize": ["params"], "maximize": ["macs"]},
}
RECIPE: dict[str, Any] = {
    "name": "quick",
    "epochs": 3,
    "batch_size": 64,
    "optimizer": {"sgd": {"lr": 0.1}},
    "schedule": {"one_cycle": {}},
    "precision": "float32",
}
