"""Points of timm's contract: torch's compilers and exporters give the same outputs as the network."""

from __future__ import annotations

import copy
import importlib.util

import torch
from torch import fx

from fieldspec.architectures.contract.subject import ContractError, PointCheck, Subject, need, same


def _script(subject: Subject) -> str:
    scripted = torch.jit.script(subject.net)
    with torch.no_grad():
        final, levels = scripted.forward_intermediates(subject.images)
        same(final, subject.net.forward_features(subject.images), "forward_intermediates, scripted")
        need(len(levels) == len(subject.net.feature_info), f"forward_intermediates gives {len(levels)} levels")
        return same(scripted(subject.images), subject.output, "the scripted net")


def _fx(subject: Subject) -> str:
    traced = fx.symbolic_trace(subject.net)
    with torch.no_grad():
        same(torch.jit.script(traced)(subject.images), subject.output, "the traced and scripted net")
        return same(traced(subject.images), subject.output, "the traced net")


def _export(subject: Subject) -> str:
    exported = torch.export.export(subject.net, (subject.images,))
    with torch.no_grad():
        return same(exported.module()(subject.images), subject.output, "the exported net")


def _compile(subject: Subject) -> str:
    torch.compiler.reset()  # torch recompiles a function eight times at most
    compiled = torch.compile(copy.deepcopy(subject.net), backend="eager", fullgraph=True)
    with torch.no_grad():
        return same(compiled(subject.images), subject.output, "the compiled net") + ", fullgraph"


def _onnx(subject: Subject) -> str:
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        return "skipped: pip install 'fieldspec[export]'"
    program = torch.onnx.export(subject.net, (subject.images,), dynamo=True, verbose=False)
    if program is None:
        raise ContractError("nothing was exported")
    return f"{len(program.model.graph)} nodes"


POINTS: dict[str, PointCheck] = {
    "torch.jit.script": _script,
    "torch.fx": _fx,
    "torch.export": _export,
    "torch.compile": _compile,
    "onnx": _onnx,
}
