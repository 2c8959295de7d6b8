"""Checks timm's contract point by point on a built network: `fieldspec verify SPEC --timm`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fieldspec.architectures.contract import adaptation, as_module, compilers, features, training
from fieldspec.architectures.contract.subject import ContractError, PointCheck, Subject
from fieldspec.architectures.network import timm_models  # registers `fieldspec` for `create_model`
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError

__all__ = ["POINTS", "Point", "timm_contract"]

POINTS: dict[str, PointCheck] = {
    **as_module.POINTS,
    **compilers.POINTS,
    **training.POINTS,
    **adaptation.POINTS,
    **features.POINTS,
}


OF_A_CLASSIFIER = ("forward_head", "num_classes=0", "global_pool", "reset_classifier")


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the contract: whether it holds, and what was observed or went wrong, in one line."""

    name: str
    ok: bool
    detail: str


def timm_contract(spec: ArchitectureSpec | str | Path | Mapping[str, Any]) -> list[Point]:
    """Check every point of timm's contract for the network of `spec`; with several outputs, on all of them.

    Example:
        >>> points = timm_contract({"input": [3, 32, 32], "layers": [{"conv": {"out": 4}}], "head": {"classes": 2}})
        >>> [point.name for point in points if not point.ok]      # one layer has one feature level, timm requires three
        ['features_only']

    Raises:
        FieldspecError: The input has one or three axes: timm's own functions take images.
    """
    subject = Subject(load(spec))
    axes = len(subject.spec.input) - 1
    if axes != 2:
        raise FieldspecError(f"timm's contract is for images, with two axes; this network's input has {axes}")
    points = {**POINTS, **dict.fromkeys(OF_A_CLASSIFIER, _refused)} if subject.spec.ends else POINTS
    return [_carried_out(name, check, subject) for name, check in points.items()]


def _refused(subject: Subject) -> str:
    """Check that a network of several outputs rejects a classifier."""
    for ask in (lambda: subject.fresh(num_classes=3), lambda: subject.fresh().reset_classifier(3)):
        try:
            ask()
        except FieldspecError as error:
            reason = str(error)
        else:
            raise ContractError("a network with several outputs accepts a classifier")
    return f"skipped: {reason}"


def _carried_out(name: str, check: PointCheck, subject: Subject) -> Point:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations of torch
        try:
            return Point(name, True, check(subject))
        except ContractError as error:
            return Point(name, False, str(error))
        except Exception as error:  # any exception fails the point
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return Point(name, False, ": ".join([type(error).__name__, *lines[:1]])[:240])


assert timm_models  # imported for its side effect
