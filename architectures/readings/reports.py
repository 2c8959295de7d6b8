"""Reports of specs and modules, and constraint checks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from fieldspec.analysis.report.reading import report_of
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.spec.constraints import ConstraintResult, evaluate_constraints
from fieldspec.architectures.spec.other_input import at_input
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError

if TYPE_CHECKING:
    from torch import nn
    from typing_extensions import TypeIs

SpecLike = ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any]
MODULE_NAME = re.compile(r"(?P<home>[\w./\\-]+):(?P<name>[\w.]+)(?P<settings>(,\w+=.*)?)")
Analyzable: TypeAlias = "SpecLike | nn.Module"
InputSize = Sequence[int] | Sequence[Any] | Mapping[str, Any]


def analyze(source: Analyzable, *, input_size: InputSize | None = None) -> Report:
    """Compute parameters, multiply-adds, memory and receptive field of every layer; no weights needed.

    Args:
        source: A loaded spec, a catalogue name, a file path, plain data, or any PyTorch module, which is run once
            without values and left as it is.
        input_size: (channels, height, width) of one example; optional for specs and timm models, which have their own.
            A list for a module with several inputs, or a mapping to pass them by name; `((50,), "int64")` gives a
            dtype that differs from the network's. The dimensions need no fixed order: those that windows run along
            are axes, so (electrodes, time), (time,) and (steps, features) are fine.

    Raises:
        SpecError: The spec is invalid.
        FieldspecError: The module does not run on this input.
    Example:
        >>> report = analyze("c1c2c3c40")
        >>> report.params, report.macs, report.features.receptive_field
        (178178, 21766440, (47, 47))
        >>> import torchvision
        >>> report = analyze(torchvision.models.resnet18(), input_size=(3, 224, 224))
        >>> report.features.receptive_field, report["layer1"].receptive_field
        ((435, 435), (43, 43))
    """
    if is_module(source):
        return _of_module(source, input_size)
    return report_of_spec(spec_at(source, input_size))


def report_of_spec(spec: ArchitectureSpec) -> Report:
    """The report of a loaded spec, from the layers and fields computed when it was loaded."""
    return report_of(spec.graph, spec.name, fields=spec.fields)


def spec_at(source: SpecLike, input_size: InputSize | None) -> ArchitectureSpec:
    """Load a spec, for another input if one is given."""
    loaded = load(source)
    return loaded if input_size is None else at_input(loaded, input_size)


def is_module_name(text: str) -> bool:
    """Whether a text is `timm:NAME`, `torchvision:NAME` or `package.module:FACTORY`, with or without settings."""
    return MODULE_NAME.fullmatch(text) is not None and not os.path.exists(text)


def is_module(source: Any) -> TypeIs[nn.Module]:
    """Whether `source` is a module, without importing torch to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(source, torch.nn.Module)


def _of_module(module: nn.Module, input_size: InputSize | None) -> Report:
    from fieldspec.analysis.trace import report_of_module

    if input_size is None:
        own = (getattr(module, "pretrained_cfg", None) or {}).get("input_size")
        if own is None:
            raise FieldspecError(
                f"{type(module).__name__} does not define its input size; give input_size=(channels, height, width)"
            )
        input_size = tuple(own)
    return report_of_module(module, input_size)


def check(spec: SpecLike) -> list[ConstraintResult]:
    """The constraints that a spec violates; empty if all hold.

    Example:
        >>> [str(verdict) for verdict in check({"input": [3, 32, 32], "layers": [{"conv": {"out": 8}}],
        ...                                     "constraints": {"receptive_field": "> 44"}})]
        ['receptive_field: needs > 44, has 3']
    """
    loaded = load(spec)
    return [verdict for verdict in evaluate_constraints(loaded.constraints, analyze(loaded)) if not verdict.holds]
