"""Points of timm's contract for training: gradients, checkpointing, layer-wise parameter groups."""

from __future__ import annotations

import torch
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay
from torch import Tensor, nn

from fieldspec.architectures.contract.subject import PointCheck, Subject, answer, need, same


def _loss(net: nn.Module, subject: Subject) -> Tensor:
    return answer(net(subject.images)).square().mean()


def _gradients(subject: Subject) -> str:
    net = subject.fresh().train()
    _loss(net, subject).backward()  # type: ignore[no-untyped-call]  # torch
    without = [name for name, parameter in net.named_parameters() if parameter.grad is None]
    need(not without, f"no gradient for {', '.join(without[:3])}")
    return f"{sum(1 for _ in net.parameters())} tensors"


def _grad_checkpointing(subject: Subject) -> str:
    gradients = []
    for enable in (False, True):
        net = subject.fresh().train()
        net.set_grad_checkpointing(enable)
        torch.manual_seed(0)  # the same dropout
        _loss(net, subject).backward()  # type: ignore[no-untyped-call]  # torch
        gradients.append([parameter.grad for parameter in net.parameters()])
    for plain, checkpointed in zip(*gradients, strict=True):
        need(plain is not None and checkpointed is not None, "a parameter has no gradient")
        same(checkpointed, plain, "the gradient")
    return "equal gradients"


def _layer_decay(subject: Subject) -> str:
    net = subject.net
    fine = group_parameters(net, net.group_matcher(), reverse=False)
    coarse = group_parameters(net, net.group_matcher(coarse=True), reverse=False)
    need(len(fine) > 1, f"{len(fine)} group of parameters")
    named = {name for names in fine.values() for name in names}
    need(named == dict(net.named_parameters()).keys(), "not every parameter is in a group")
    groups = param_groups_layer_decay(net, weight_decay=0.05, no_weight_decay_list=net.no_weight_decay())
    need(len({group["lr_scale"] for group in groups}) == len(fine), "not one learning rate per group")
    return f"{len(fine)} groups, {len(coarse)} coarse"


POINTS: dict[str, PointCheck] = {
    "gradients": _gradients,
    "grad_checkpointing": _grad_checkpointing,
    "layer decay": _layer_decay,
}
