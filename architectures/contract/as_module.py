"""Points of timm's contract for the module itself: forward passes, configuration, copies, devices."""

from __future__ import annotations

import copy
import pickle

import torch
from timm.models import create_model

from fieldspec.architectures.contract.subject import ContractError, PointCheck, Subject, answer, need, same
from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.network.builder import build
from fieldspec.architectures.spec.other_input import at_input
from fieldspec.architectures.spec.spec import ArchitectureSpec


def _forward(subject: Subject) -> str:
    output = subject.output
    need(bool(torch.isfinite(output).all()), "the output is not finite")
    net = subject.net
    expected = (2, net.num_classes) if net.num_classes else None
    need(expected in (None, tuple(output.shape)), f"{tuple(output.shape)} instead of {expected}")
    return f"{tuple(subject.images.shape)} -> {tuple(output.shape)}"


def _forward_head(subject: Subject) -> str:
    net = subject.net
    with torch.no_grad():
        features = net.forward_features(subject.images)
        before = net.forward_head(features, pre_logits=True)
        detail = same(net.forward_head(features), subject.output, "forward_head(forward_features(x))")
    need(features.shape[1] == net.num_features, f"num_features is {net.num_features}, not {features.shape[1]}")
    need(before.shape[1] == net.head_hidden_size, f"head_hidden_size is {net.head_hidden_size}, not {before.shape[1]}")
    return detail


def _pretrained_cfg(subject: Subject) -> str:
    net, cfg = subject.net, getattr(subject.net, "pretrained_cfg")  # noqa: B009  # timm sets it
    with torch.no_grad():
        size = tuple(net.forward_features(subject.images).shape[2:])
    need((cfg["pool_size"] or ()) == size, f"pool_size is {cfg['pool_size']}, the map {size}")
    first = cfg["first_conv"]
    names = [] if first is None else [first] if isinstance(first, str) else list(first)
    names += [cfg["classifier"]] if net.num_classes else []
    state = net.state_dict()
    for name in names:
        need(f"{name}.weight" in state, f"no tensor {name}.weight")
    return f"first_conv {first}, classifier {cfg['classifier']}"


def _deepcopy(subject: Subject) -> str:
    with torch.no_grad():
        return same(copy.deepcopy(subject.net)(subject.images), subject.output, "the copy")


def _pickle(subject: Subject) -> str:
    with torch.no_grad():
        return same(pickle.loads(pickle.dumps(subject.net))(subject.images), subject.output, "the pickled net")


def _state_dict(subject: Subject) -> str:
    other = build(subject.spec).eval()
    other.load_state_dict(subject.net.state_dict())
    with torch.no_grad():
        return same(other(subject.images), subject.output, "the loaded net")


def _bfloat16(subject: Subject) -> str:
    net = build(subject.spec, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        output = answer(net(subject.images.bfloat16()))
    need(output.dtype == torch.bfloat16, f"the output is {output.dtype}")
    need(bool(torch.isfinite(output).all()), "the output is not finite")
    return "finite"


def _input_size(subject: Subject) -> str:
    sizes = (64, 96, 128)
    small = [size for size in sizes if not _takes(subject.spec, size)]
    with torch.no_grad():
        for size in sizes:
            x = torch.randn(1, subject.spec.input[0], size, size)
            if size not in small:
                subject.net(x)
                continue
            try:
                subject.net(x)
            except RuntimeError:
                continue
            raise ContractError(f"accepts {size}x{size}, which the spec rejects")
    need(len(small) < len(sizes), f"no map of {' or '.join(map(str, sizes))} pixels fits the spec")
    refused = f"; {', '.join(f'{size}x{size}' for size in small)} is rejected, as by the spec" if small else ""
    return ", ".join(f"{size}x{size}" for size in sizes if size not in small) + refused


def _takes(spec: ArchitectureSpec, size: int) -> bool:
    """Whether the spec can be laid out for an image of this size."""
    try:
        at_input(spec, (spec.input[0], size, size))
    except SpecError:
        return False
    return True


def _meta(subject: Subject) -> str:
    net = build(subject.spec, device="meta").eval()
    need(all(tensor.is_meta for tensor in net.state_dict().values()), "some tensors are not on the meta device")
    net.to_empty(device="cpu")
    for tensor in net.state_dict().values():
        tensor.fill_(torch.nan if tensor.is_floating_point() else 7)
    net.init_weights()
    with torch.no_grad():
        output = answer(net(subject.images))
    need(bool(torch.isfinite(output).all()), "init_weights leaves weights or buffers of to_empty uninitialized")
    return "to_empty, init_weights, finite"


def _unknown_keyword(subject: Subject) -> str:
    try:
        create_model("fieldspec", spec=subject.spec.to_dict(), no_such_keyword=1)
    except TypeError as error:
        return str(error).splitlines()[0]
    raise ContractError("is accepted")


POINTS: dict[str, PointCheck] = {
    "forward": _forward,
    "forward_head": _forward_head,
    "pretrained_cfg": _pretrained_cfg,
    "deepcopy": _deepcopy,
    "pickle": _pickle,
    "state_dict": _state_dict,
    "bfloat16": _bfloat16,
    "input_size": _input_size,
    "meta": _meta,
    "unknown keyword": _unknown_keyword,
}
