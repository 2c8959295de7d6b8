"""Converts a module to a spec: trace it, express it in the language, compare it with the trace."""

from __future__ import annotations

import re

from torch import nn

from fieldspec.analysis.trace import trace_module
from fieldspec.analysis.trace.inputs import GivenSizes
from fieldspec.architectures.adoption.graph.beyond import Beyond, BeyondError
from fieldspec.architectures.adoption.graph.likeness import unlike
from fieldspec.architectures.adoption.graph.plan import plan_of
from fieldspec.architectures.adoption.graph.tidying import tidied
from fieldspec.architectures.adoption.proof import TOLERANCE, largest_difference
from fieldspec.architectures.adoption.writing.document import document_of
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError

__all__ = ["to_spec"]


def to_spec(
    module: nn.Module, input_size: GivenSizes | None = None, *, name: str | None = None, prove: bool = True
) -> ArchitectureSpec:
    """Convert a module to a spec: with the largest blocks of the language that match, and single layers otherwise.

    The module is run once without values; recognized parts are built by the registry and compared layer by layer.
    Then the spec's network and the module, with the same random weights, must give the same outputs.

    Args:
        module: Any PyTorch module with one input and one output.
        input_size: (channels, height, width) of one example; optional for timm models, which have their own.
        name: Name of the spec; by default the module's class.
        prove: Whether to compare outputs: two forward passes, with the memory these need.

    Raises:
        BeyondError: The language cannot express some part of it; all places are listed.
        FieldspecError: The module does not run on this input.
    Example:
        >>> import torchvision
        >>> from fieldspec.architectures.spec.writer import dump
        >>> spec = to_spec(torchvision.models.resnet18(), (3, 224, 224), prove=False)
        >>> print(dump(spec).split("\\n")[6])
        - {residual: {out: 64}, repeat: 2, id: layer1}
    """
    size = input_size or (getattr(module, "pretrained_cfg", None) or {}).get("input_size")
    if size is None:
        given = type(module).__name__
        raise FieldspecError(f"{given} does not define its input size; give input_size=(channels, height, width)")
    traced = trace_module(module, size)
    called = _legal(name or type(module).__name__)
    plan = tidied(plan_of(traced, called))
    plan.classes = {path: type(part).__name__ for path, part in module.named_modules()}
    document = document_of(plan, called)
    try:
        spec = load(document)
    except SpecError as error:  # errors that only the whole shows, such as a merge of different jumps
        raise BeyondError(called, [Beyond("spec", "load", problem.message) for problem in error.problems]) from None
    if difference := unlike(spec, traced):
        raise BeyondError(called, [Beyond("spec", "layers", difference)])
    if prove:
        apart = largest_difference(spec, module, traced)
        if not apart <= TOLERANCE:
            reason = f"its outputs differ by {apart:.1e} of the network's largest output"
            raise BeyondError(called, [Beyond("spec", "outputs", reason)])
    return spec


def _legal(name: str) -> str:
    """A valid name for a spec."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100]
    return plain if plain[:1].isalpha() else f"net_{plain}"[:100]
