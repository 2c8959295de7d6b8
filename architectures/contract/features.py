"""Points of timm's contract: feature levels, and a round trip through the hub."""

from __future__ import annotations

import math
import tempfile
from typing import Any

import torch
from timm.models import create_model, save_for_hf

from fieldspec.architectures.contract.subject import PointCheck, Subject, need, same


def _features_only(subject: Subject) -> str:
    net: Any = create_model("fieldspec", spec=subject.spec.to_dict(), features_only=True).eval()
    state = net.model.state_dict().keys()  # without the head, or with its body, which levels do not need
    net.model.load_state_dict({k: v for k, v in subject.net.state_dict().items() if k in state})
    info = net.feature_info
    with torch.no_grad():
        levels = net(subject.images)
        if subject.spec.items[-1].tap and not subject.spec.ends:  # a vector or a single unit is not a level
            same(levels[-1], subject.net.forward_features(subject.images), "the last level")
    need(len(levels) == len(info.channels()), f"{len(levels)} levels, {len(info.channels())} declared")
    for level, channels, reduction in zip(levels, info.channels(), info.reduction(), strict=True):
        need(level.shape[1] == channels, f"{level.shape[1]} channels, {channels} declared")
        for units, size in zip(level.shape[2:], subject.spec.input[1:], strict=False):
            need(units <= math.ceil(size / reduction) + 1, f"{units} units at reduction {reduction}")
    mend = "timm requires three. Mark more items with tap: true"
    need(len(levels) >= 3, f"{len(levels)} feature levels; {mend}")
    return f"reductions {', '.join(map(str, info.reduction()))}"


def _forward_intermediates(subject: Subject) -> str:
    net = subject.net
    info = net.feature_info
    with torch.no_grad():
        final, levels = net.forward_intermediates(subject.images)
        last = net.forward_intermediates(subject.images, indices=1, intermediates_only=True)
        same(final, net.forward_features(subject.images), "the final map")
        if subject.spec.items[-1].tap and not subject.spec.ends:
            same(last[0], final, "the last level")
    need([level.shape[1] for level in levels] == info.channels(), "the levels are not those of feature_info")
    return f"{len(levels)} levels"


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


def _hub(subject: Subject) -> str:
    spec = subject.spec.to_dict()
    net = create_model("fieldspec", spec=spec).eval()
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        save_for_hf(net, folder, safe_serialization=True)
        again = create_model(f"local-dir:{folder}", pretrained=True).eval()
        return same(again(subject.images), net(subject.images), "the net from local-dir:")


POINTS: dict[str, PointCheck] = {
    "features_only": _features_only,
    "forward_intermediates": _forward_intermediates,
    "prune_intermediate_layers": _prune,
    "hub": _hub,
}
