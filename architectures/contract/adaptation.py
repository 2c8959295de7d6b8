"""Points of timm's contract: other classes, pooling types and input channels."""

from __future__ import annotations

import torch
from torch import nn

from fieldspec.architectures.contract.subject import PointCheck, Subject, need, same
from fieldspec.architectures.network.builder import build


def _no_classes(subject: Subject) -> str:
    net = subject.fresh(num_classes=0)
    with torch.no_grad():
        output = net(subject.images)
        features = net.forward_features(subject.images)
        same(output, net.forward_head(features, pre_logits=True), "the output")
    need(output.shape[1] == net.head_hidden_size, f"head_hidden_size is {net.head_hidden_size}, not {output.shape[1]}")
    need(isinstance(net.get_classifier(), nn.Identity), "there is still a classifier")
    return f"{tuple(output.shape)}"


def _global_pool(subject: Subject) -> str:
    if subject.net.flat:
        return "skipped: the layers end in a vector"
    if subject.spec.head and (subject.spec.head.forms or subject.spec.head.pool == "none"):
        return "skipped: the head has a body, or pools after its classifier"
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


def _reset_classifier(subject: Subject) -> str:
    net = build(subject.spec, num_classes=0, dtype=torch.bfloat16).eval()
    pool = net.head.global_pool.pool_type
    net.reset_classifier(7)
    weight = net.get_classifier().weight
    need(not net.head.training and not net.get_classifier().training, "the mode is not kept")
    need(weight.dtype == torch.bfloat16, f"the dtype becomes {weight.dtype}")
    kept = pool in ("", net.head.global_pool.pool_type)  # a network without a head gets one with pooling
    need(kept, f"the pooling becomes {net.head.global_pool.pool_type!r}")
    need(net.num_classes == 7, f"num_classes is {net.num_classes}")
    with torch.no_grad():
        shape = tuple(net(subject.images.bfloat16()).shape)
    need(shape[:2] == (2, 7), f"the output is {shape}")
    on_meta = build(subject.spec, device="meta")
    on_meta.reset_classifier(7)
    need(bool(on_meta.get_classifier().weight.is_meta), "the device is not kept")
    own = subject.spec.head
    if not net.flat and not (own and own.pool == "none"):
        net.reset_classifier(0, "")
        with torch.no_grad():
            need(net(subject.images.bfloat16()).ndim == 4, "reset_classifier(0, '') gives no map")
    return "keeps device, dtype, mode and pooling"


def _in_chans(subject: Subject) -> str:
    channels = 1 if subject.spec.input[0] != 1 else 3
    net = subject.fresh(in_chans=channels)
    need(net.in_chans == channels, f"in_chans is {net.in_chans}")
    with torch.no_grad():
        net(torch.randn(2, channels, *subject.spec.input[1:]))
    return f"{channels}"


POINTS: dict[str, PointCheck] = {
    "num_classes=0": _no_classes,
    "global_pool": _global_pool,
    "reset_classifier": _reset_classifier,
    "in_chans": _in_chans,
}
