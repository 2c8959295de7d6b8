"""Optimizers of a recipe, and weight decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import BaseModel

from fieldspec.architectures.document.validation import STRICT
from fieldspec.blocks.settings import Flag, Says

if TYPE_CHECKING:
    from torch import nn, optim

Rate = Annotated[float, Gt(0), Says("a number over 0")]
Beta = Annotated[float, Ge(0), Lt(1), Says("a number from 0 to 1, 1 excluded")]
Excluded = Literal["bias", "norm", "depthwise"]


class WeightDecay(BaseModel):
    """Weight decay: its rate, and the kinds of parameters excluded from it."""

    model_config = STRICT
    rate: Annotated[float, Ge(0), Says("a number, 0 or more")] = 0.0
    exclude: Annotated[tuple[Excluded, ...], Says("a list of bias, norm and depthwise")] = ()


class Optimizer(BaseModel):
    """Base of all optimizers; `lr` is the highest learning rate of the schedule."""

    model_config = STRICT
    lr: Rate

    def make(self, groups: list[dict[str, object]]) -> optim.Optimizer:
        """Make the torch optimizer for these parameter groups."""
        raise NotImplementedError


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum; weight decay is added to the gradient."""

    momentum: Beta = 0.9
    nesterov: Flag = False

    def make(self, groups: list[dict[str, object]]) -> optim.Optimizer:
        """Make torch's SGD."""
        from torch import optim

        return optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)


class AdamW(Optimizer):
    """Adam with decoupled weight decay."""

    betas: Annotated[tuple[Beta, Beta], Says("two numbers from 0 to 1, 1 excluded, such as [0.9, 0.999]")] = (
        0.9,
        0.999,
    )
    eps: Rate = 1e-8

    def make(self, groups: list[dict[str, object]]) -> optim.Optimizer:
        """Make torch's AdamW."""
        from torch import optim

        return optim.AdamW(groups, lr=self.lr, betas=self.betas, eps=self.eps)


class Muon(Optimizer):
    """Momentum with orthogonalized updates for linear layers and convolutions; AdamW for all other parameters.

    A convolution's weight is flattened to (out_channels, in_channels * kernel area); biases, norms and depthwise
    convolutions use AdamW. Updates are scaled to the size of AdamW's, so one rate serves both, and weight decay is
    decoupled in both.

    Source:
        Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; the scale is that of Liu et
        al., "Muon is Scalable for LLM Training", 2025.
    """

    momentum: Beta = 0.95
    nesterov: Flag = True

    def make(self, groups: list[dict[str, object]]) -> optim.Optimizer:
        """Make timm's Muon, in float32 and batched."""
        from fieldspec.training.recipe.muon import BatchedMuon

        return BatchedMuon(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)


OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "muon": Muon, "sgd": Sgd}


def parameter_groups(net: nn.Module, decay: WeightDecay) -> list[dict[str, object]]:
    """Parameter groups with and without weight decay, each in the order of the network."""
    kept = set(_excluded(net, decay))
    named = [(name, parameter) for name, parameter in net.named_parameters() if parameter.requires_grad]
    decays = [parameter for name, parameter in named if name not in kept]
    rests = [parameter for name, parameter in named if name in kept]
    groups: list[dict[str, object]] = [{"params": decays, "weight_decay": decay.rate}]
    return [*groups, {"params": rests, "weight_decay": 0.0}] if rests else groups


def _excluded(net: nn.Module, decay: WeightDecay) -> Iterator[str]:
    """Yield the names of the parameters excluded from weight decay, by the recipe or the network itself."""
    from torch import nn

    no_weight_decay = getattr(net, "no_weight_decay", None)
    yield from no_weight_decay() if callable(no_weight_decay) else ()
    for path, module in net.named_modules():
        is_norm = isinstance(module, nn.modules.batchnorm._NormBase | nn.GroupNorm | nn.LayerNorm)
        is_depthwise = isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels
        for name, _ in module.named_parameters(recurse=False):
            kinds = {"norm": is_norm, "bias": name == "bias" and not is_norm, "depthwise": is_depthwise}
            if any(kinds[kind] for kind in decay.exclude):
                yield f"{path}.{name}"
