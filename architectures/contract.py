"""timm's contract, carried out point by point on a built network: `fieldspec verify SPEC --timm`."""

from __future__ import annotations

import copy
import importlib.util
import math
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from timm.models import FeatureInfo, create_model, group_parameters, save_for_hf
from timm.optim import param_groups_layer_decay
from torch import Tensor, fx, nn

from fieldspec.architectures import timm_models  # registers `fieldspec`, which `create_model` needs
from fieldspec.architectures.builder import build
from fieldspec.architectures.spec import ArchitectureSpec, load
from fieldspec.architectures.specnet import SpecNet

__all__ = ["POINTS", "Point", "timm_contract"]

Check = Callable[["Subject"], str]
POINTS: dict[str, Check] = {}


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the contract: whether it holds, and what was seen or went wrong, in one line."""

    name: str
    ok: bool
    detail: str


class ContractError(Exception):
    """A point does not hold; the message says what was seen instead."""


class Subject:
    """What the points are carried out on: the spec, a net of it in eval mode, images, and what it makes of them."""

    def __init__(self, spec: ArchitectureSpec) -> None:
        self.spec = spec
        self.images = torch.randn(2, *spec.input, generator=torch.Generator().manual_seed(0))

    @cached_property
    def net(self) -> SpecNet:
        """The net; points that change one take `fresh`."""
        return self.fresh()

    @cached_property
    def output(self) -> Tensor:
        """What it makes of the images."""
        with torch.no_grad():
            output: Tensor = self.net(self.images)
        return output

    def fresh(self, **settings: Any) -> SpecNet:
        """Another net with the same weights for every call with the same settings."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build(self.spec, **settings).eval()


def timm_contract(spec: ArchitectureSpec | str | Path | Mapping[str, Any]) -> list[Point]:
    """Every point of timm's contract for the network of `spec`, carried out.

    Example:
        >>> points = timm_contract({"input": [3, 32, 32], "layers": [{"conv": {"out": 4}}], "head": {"classes": 2}})
        >>> [point.name for point in points if not point.ok]      # one layer gives one feature level, timm wants three
        ['features_only']
    """
    subject = Subject(load(spec))
    return [_carried_out(name, check, subject) for name, check in POINTS.items()]


def _carried_out(name: str, check: Check, subject: Subject) -> Point:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own deprecations
        try:
            return Point(name, True, check(subject))
        except ContractError as error:
            return Point(name, False, str(error))
        except Exception as error:  # whatever a net raises is the point's failure
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            return Point(name, False, ": ".join([type(error).__name__, *lines[:1]])[:240])


def point(name: str) -> Callable[[Check], Check]:
    """Add a check to the contract under `name`."""

    def add(check: Check) -> Check:
        POINTS[name] = check
        return check

    return add


def need(condition: bool, otherwise: str) -> None:
    """Fail the point unless `condition` holds."""
    if not condition:
        raise ContractError(otherwise)


def same(given: Tensor, expected: Tensor, what: str) -> str:
    """Fail the point unless both agree to 1e-4; says how well they do."""
    need(given.shape == expected.shape, f"{what}: {tuple(given.shape)} instead of {tuple(expected.shape)}")
    if not given.numel():
        return "equal"
    difference = (given.float() - expected.float()).abs().max().item()
    scale = max(1.0, expected.float().abs().max().item())
    need(difference <= 1e-4 * scale, f"{what}: differs by {difference:.2g}")
    return "equal" if difference == 0 else f"equal to {difference:.0e}"


# ------------------------------------------------------------------------------------------- as a module


@point("forward")
def _forward(subject: Subject) -> str:
    output = subject.output
    need(bool(torch.isfinite(output).all()), "the output is not finite")
    net = subject.net
    expected = (2, net.num_classes) if net.num_classes else None
    need(expected in (None, tuple(output.shape)), f"{tuple(output.shape)} instead of {expected}")
    return f"{tuple(subject.images.shape)} -> {tuple(output.shape)}"


@point("forward_head")
def _forward_head(subject: Subject) -> str:
    net = subject.net
    with torch.no_grad():
        features = net.forward_features(subject.images)
        before = net.forward_head(features, pre_logits=True)
        detail = same(net.forward_head(features), subject.output, "forward_head(forward_features(x))")
    need(features.shape[1] == net.num_features, f"num_features is {net.num_features}, not {features.shape[1]}")
    need(before.shape[1] == net.head_hidden_size, f"head_hidden_size is {net.head_hidden_size}, not {before.shape[1]}")
    return detail


@point("pretrained_cfg")
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


@point("deepcopy")
def _deepcopy(subject: Subject) -> str:
    with torch.no_grad():
        return same(copy.deepcopy(subject.net)(subject.images), subject.output, "the copy")


@point("pickle")
def _pickle(subject: Subject) -> str:
    with torch.no_grad():
        return same(pickle.loads(pickle.dumps(subject.net))(subject.images), subject.output, "the pickled net")


@point("state_dict")
def _state_dict(subject: Subject) -> str:
    other = build(subject.spec).eval()
    other.load_state_dict(subject.net.state_dict())
    with torch.no_grad():
        return same(other(subject.images), subject.output, "the loaded net")


@point("bfloat16")
def _bfloat16(subject: Subject) -> str:
    net = build(subject.spec, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        output = net(subject.images.bfloat16())
    need(output.dtype == torch.bfloat16, f"the output is {output.dtype}")
    need(bool(torch.isfinite(output).all()), "the output is not finite")
    return "finite"


@point("input_size")
def _input_size(subject: Subject) -> str:
    sizes = (64, 96, 128)
    with torch.no_grad():
        for size in sizes:
            subject.net(torch.randn(1, subject.spec.input[0], size, size))
    return ", ".join(f"{size}x{size}" for size in sizes)


@point("meta")
def _meta(subject: Subject) -> str:
    net = build(subject.spec, device="meta").eval()
    need(all(tensor.is_meta for tensor in net.state_dict().values()), "some tensors are not on the meta device")
    net.to_empty(device="cpu")
    for tensor in net.state_dict().values():
        tensor.fill_(torch.nan if tensor.is_floating_point() else 7)
    net.init_weights()
    with torch.no_grad():
        output = net(subject.images)
    need(bool(torch.isfinite(output).all()), "init_weights leaves weights or buffers of to_empty")
    return "to_empty, init_weights, finite"


@point("unknown keyword")
def _unknown_keyword(subject: Subject) -> str:
    try:
        create_model("fieldspec", spec=subject.spec.to_dict(), no_such_keyword=1)
    except TypeError as error:
        return str(error).splitlines()[0]
    raise ContractError("is accepted")


# ----------------------------------------------------------------------------------------------- compilers


@point("torch.jit.script")
def _script(subject: Subject) -> str:
    scripted = torch.jit.script(subject.net)
    with torch.no_grad():
        final, levels = scripted.forward_intermediates(subject.images)
        same(final, subject.net.forward_features(subject.images), "forward_intermediates, scripted")
        need(len(levels) == len(subject.net.feature_info), f"forward_intermediates gives {len(levels)} levels")
        return same(scripted(subject.images), subject.output, "the scripted net")


@point("torch.fx")
def _fx(subject: Subject) -> str:
    traced = fx.symbolic_trace(subject.net)
    with torch.no_grad():
        same(torch.jit.script(traced)(subject.images), subject.output, "the traced and scripted net")
        return same(traced(subject.images), subject.output, "the traced net")


@point("torch.export")
def _export(subject: Subject) -> str:
    exported = torch.export.export(subject.net, (subject.images,))
    with torch.no_grad():
        return same(exported.module()(subject.images), subject.output, "the exported net")


@point("torch.compile")
def _compile(subject: Subject) -> str:
    torch.compiler.reset()  # torch compiles a function for eight nets at most, then refuses
    compiled = torch.compile(copy.deepcopy(subject.net), backend="eager", fullgraph=True)
    with torch.no_grad():
        return same(compiled(subject.images), subject.output, "the compiled net") + ", fullgraph"


@point("onnx")
def _onnx(subject: Subject) -> str:
    if not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxscript")):
        return "skipped: pip install 'fieldspec[export]'"
    program = torch.onnx.export(subject.net, (subject.images,), dynamo=True, verbose=False)
    if program is None:
        raise ContractError("nothing was exported")
    return f"{len(program.model.graph)} nodes"


# ------------------------------------------------------------------------------------------------ training


@point("gradients")
def _gradients(subject: Subject) -> str:
    net = subject.fresh().train()
    net(subject.images).square().mean().backward()
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    need(not without, f"no gradient for {', '.join(without[:3])}")
    return f"{sum(1 for _ in net.parameters())} tensors"


@point("grad_checkpointing")
def _grad_checkpointing(subject: Subject) -> str:
    gradients = []
    for enable in (False, True):
        net = subject.fresh().train()
        net.set_grad_checkpointing(enable)
        torch.manual_seed(0)  # the same dropout
        net(subject.images).square().mean().backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        need(plain is not None and checkpointed is not None, "a parameter has no gradient")
        same(checkpointed, plain, "the gradient")
    return "equal gradients"


@point("layer decay")
def _layer_decay(subject: Subject) -> str:
    net = subject.net
    fine = group_parameters(net, net.group_matcher(), reverse=False)
    coarse = group_parameters(net, net.group_matcher(coarse=True), reverse=False)
    need(len(fine) > 1, f"{len(fine)} group of parameters")
    named = {name for names in fine.values() for name in names}
    need(named == dict(net.named_parameters()).keys(), "not every parameter is in a group")
    groups = param_groups_layer_decay(net, weight_decay=0.05, no_weight_decay_list=net.no_weight_decay())
    need(len({group["lr_scale"] for group in groups}) == len(fine), "not one learning rate a group")
    return f"{len(fine)} groups, {len(coarse)} coarse"


# ---------------------------------------------------------------------------------------------- adaptation


@point("num_classes=0")
def _no_classes(subject: Subject) -> str:
    net = subject.fresh(num_classes=0)
    with torch.no_grad():
        output = net(subject.images)
        features = net.forward_features(subject.images)
        same(output, net.forward_head(features, pre_logits=True), "the output")
    need(output.shape[1] == net.head_hidden_size, f"head_hidden_size is {net.head_hidden_size}, not {output.shape[1]}")
    need(isinstance(net.get_classifier(), nn.Identity), "there still is a classifier")
    return f"{tuple(output.shape)}"


@point("global_pool")
def _global_pool(subject: Subject) -> str:
    if subject.net.flat:
        return "skipped: the layers end in a vector"
    kinds = ("avg", "max", "avgmax", "catavgmax", "fast", "fastmax", "fastavgmax", "fastcatavgmax", "")
    for pool in kinds:
        net = subject.fresh(num_classes=0, global_pool=pool)
        with torch.no_grad():
            output = net(subject.images)
        dimensions = 2 if pool else 4
        need(output.ndim == dimensions, f"{pool!r} gives {output.ndim} dimensions")
        need(output.shape[1] == net.head_hidden_size, f"{pool!r} gives {output.shape[1]} features")
        torch.jit.script(net.head)
    return ", ".join(kinds[:-1]) + " and ''"


@point("reset_classifier")
def _reset_classifier(subject: Subject) -> str:
    net = build(subject.spec, num_classes=0, dtype=torch.bfloat16).eval()
    pool = net.head.global_pool.pool_type
    net.reset_classifier(7)
    weight = net.get_classifier().weight
    need(not net.head.training and not net.get_classifier().training, "the mode is lost")
    need(weight.dtype == torch.bfloat16, f"the dtype becomes {weight.dtype}")
    kept = pool in ("", net.head.global_pool.pool_type)  # a net without a head gets one that pools
    need(kept, f"the pooling becomes {net.head.global_pool.pool_type!r}")
    need(net.num_classes == 7, f"num_classes is {net.num_classes}")
    with torch.no_grad():
        shape = tuple(net(subject.images.bfloat16()).shape)
    need(shape[:2] == (2, 7), f"the output is {shape}")
    on_meta = build(subject.spec, device="meta")
    on_meta.reset_classifier(7)
    need(bool(on_meta.get_classifier().weight.is_meta), "the device is lost")
    if not net.flat:
        net.reset_classifier(0, "")
        with torch.no_grad():
            need(net(subject.images.bfloat16()).ndim == 4, "reset_classifier(0, '') gives no map")
    return "keeps device, dtype, mode and pool"


@point("in_chans")
def _in_chans(subject: Subject) -> str:
    channels = 1 if subject.spec.input[0] != 1 else 3
    net = subject.fresh(in_chans=channels)
    need(net.in_chans == channels, f"in_chans is {net.in_chans}")
    with torch.no_grad():
        net(torch.randn(2, channels, *subject.spec.input[1:]))
    return f"{channels}"


# ------------------------------------------------------------------------------------------------ features


@point("features_only")
def _features_only(subject: Subject) -> str:
    net: Any = create_model("fieldspec", spec=subject.spec.to_dict(), features_only=True).eval()
    net.model.load_state_dict({k: v for k, v in subject.net.state_dict().items() if not k.startswith("head.")})
    info = net.feature_info
    with torch.no_grad():
        levels = net(subject.images)
        same(levels[-1], subject.net.forward_features(subject.images), "the last level")
    need(len(levels) == len(info.channels()), f"{len(levels)} levels, {len(info.channels())} declared")
    for level, channels, reduction in zip(levels, info.channels(), info.reduction(), strict=True):
        need(level.shape[1] == channels, f"{level.shape[1]} channels, {channels} declared")
        for units, size in zip(level.shape[2:], subject.spec.input[1:], strict=False):
            need(units <= math.ceil(size / reduction) + 1, f"{units} units at reduction {reduction}")
    need(len(levels) >= 3, f"{len(levels)} feature levels; timm wants three. Mark more items with tap: true")
    return f"reductions {', '.join(map(str, info.reduction()))}"


@point("forward_intermediates")
def _forward_intermediates(subject: Subject) -> str:
    net = subject.net
    info = FeatureInfo(net.feature_info, len(net.feature_info))
    with torch.no_grad():
        final, levels = net.forward_intermediates(subject.images)
        last = net.forward_intermediates(subject.images, indices=1, intermediates_only=True)
        same(final, net.forward_features(subject.images), "the final map")
        same(last[0], final, "the last level")
    need([level.shape[1] for level in levels] == info.channels(), "the levels are not those of feature_info")
    return f"{len(levels)} levels"


@point("prune_intermediate_layers")
def _prune(subject: Subject) -> str:
    net = subject.fresh()
    with torch.no_grad():
        _, levels = net.forward_intermediates(subject.images)
        kept = net.prune_intermediate_layers([0])
        need(list(kept) == [0], f"keeps {kept}")
        output = net(subject.images)
        same(output, levels[0], "the pruned net")
    need(net.head_hidden_size == levels[0].shape[1], f"head_hidden_size is {net.head_hidden_size}")
    return f"{sum(p.numel() for p in net.parameters())} parameters left"


@point("hub")
def _hub(subject: Subject) -> str:
    spec = subject.spec.to_dict()
    net = create_model("fieldspec", spec=spec).eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        save_for_hf(net, folder, safe_serialization=True)
        again = create_model(f"local-dir:{folder}", pretrained=True).eval()
        return same(again(subject.images), net(subject.images), "the net from local-dir:")


assert timm_models  # imported for what it registers
