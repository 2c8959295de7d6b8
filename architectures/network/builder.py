"""Builds the network of a spec as timm does, with a configuration derived from the analysis."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg
from torch import nn

from fieldspec.architectures.network.feature_levels import feature_levels
from fieldspec.architectures.network.features import SpecFeatures
from fieldspec.architectures.network.generated_layers import output_of
from fieldspec.architectures.network.pretrained import PretrainedWeights, weights_of
from fieldspec.architectures.network.specnet import SeveralOutputs, SpecNet, checkpoint_filter_fn
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.layers import Conv

__all__ = ["build", "create", "default_cfg"]

CIFAR10: dict[str, tuple[float, ...]] = {
    "mean": (0.4914, 0.4822, 0.4465),
    "std": (0.2470, 0.2435, 0.2616),
}  # of the training set, for pixels from 0 to 1
IMAGENET: dict[str, tuple[float, ...]] = {"mean": IMAGENET_DEFAULT_MEAN, "std": IMAGENET_DEFAULT_STD}
IMAGENET_SIZE = 96  # pixels; networks for smaller images are assumed to be for CIFAR

REFUSED = {  # timm's keywords that would change the network of the spec
    "drop_block_rate": "no block of fieldspec has DropBlock; remove it",
    "drop_path_rate": "stochastic depth is part of the spec; set drop_path there",
    "output_stride": "strides are part of the spec; replace stride by dilation there",
}


def build(
    spec: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any],
    *,
    num_classes: int | None = None,
    in_chans: int | None = None,
    global_pool: str | None = None,
    drop_rate: float | None = None,
    img_size: int | tuple[int, ...] | None = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> SpecNet:
    """Build the untrained network of a spec, with timm's contract; for the settings, see SpecNet.

    Example:
        >>> net = build("c1c2c3c40", num_classes=100)
        >>> sum(p.numel() for p in net.parameters())        # 178178 - (132 + 1) * 10 + (132 + 1) * 100
        190148
    """
    spec = load(spec)
    settings: dict[str, Any] = {"num_classes": num_classes, "in_chans": in_chans, "global_pool": global_pool}
    settings |= {"drop_rate": drop_rate, "img_size": img_size}
    given: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    net = create(spec, "fieldspec", pretrained_cfg=default_cfg(spec), device=device, dtype=dtype, **given)
    assert isinstance(net, SpecNet)  # only `features_only` returns another type
    net._model_args = {"spec": spec, **given}
    return net


def create(
    spec: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any],
    variant: str,
    *,
    pretrained: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """Create a network for `timm.create_model`.

    Args:
        spec: A loaded spec, or what `load` takes.
        variant: The name registered with timm.
        pretrained: Whether to load the weights of its configuration.
        kwargs: timm's keywords, SpecNet's, and values for the spec's parameters.
    """
    spec = load(spec)
    for keyword, reason in REFUSED.items():
        if keyword in kwargs and keyword not in spec.params:
            raise TypeError(f"{keyword}: {reason}")
    spec = load(spec, **{name: kwargs.pop(name) for name in spec.params if name in kwargs})
    levels = tuple(range(len(feature_levels(spec)))) if kwargs.get("features_only") else ()
    if len(spec.input) != 3:
        kwargs["pretrained_cfg"] = {**(kwargs.get("pretrained_cfg") or default_cfg(spec)), "input_size": None}
    net: nn.Module = build_model_with_cfg(
        SeveralOutputs if spec.ends else SpecNet,
        variant,
        pretrained,
        feature_cfg={"out_indices": levels, "feature_cls": SpecFeatures},
        pretrained_filter_fn=checkpoint_filter_fn,
        spec=spec,
        **kwargs,
    )
    size = kwargs.get("img_size")
    sizes = spec.input[1:] if size is None else (size,) * (len(spec.input) - 1) if isinstance(size, int) else size
    for module in (net, getattr(net, "model", None)):  # the latter for a wrapper that returns feature levels
        configuration: Any = getattr(module, "pretrained_cfg", None)
        if configuration is not None:  # timm ignores `img_size`, and only supports sizes of two axes
            configuration["input_size"] = (spec.input[0], *sizes)
    return net


def usual_statistics(input: tuple[int, ...]) -> dict[str, tuple[float, ...]]:
    """Default mean and deviation of the input: ImageNet's from 96 pixels on, else CIFAR-10's.

    Without three channels they are 1/2 and 1/4.

    Example:
        >>> usual_statistics((3, 224, 224))["mean"], usual_statistics((3, 32, 32))["mean"]
        ((0.485, 0.456, 0.406), (0.4914, 0.4822, 0.4465))
    """
    channels, *sizes = input
    if channels != 3:
        return {"mean": (0.5,) * channels, "std": (0.25,) * channels}
    return IMAGENET if min(sizes) >= IMAGENET_SIZE else CIFAR10


def default_cfg(spec: ArchitectureSpec, weights: PretrainedWeights | None = None) -> dict[str, Any]:
    """timm's configuration of a spec, with these weights or its best pretrained ones.

    Mean and deviation come from the weights' card, else from `usual_statistics`.
    """
    nodes = spec.graph.nodes
    shape = nodes[output_of(spec)].shape
    convolutions = [node for node in nodes if isinstance(node.layer, Conv)]
    first = [node.id for node in convolutions if node.inputs == (0,)] or [node.id for node in convolutions[:1]]
    paths = tuple(f"layers.{path}" for path in first)
    statistics = usual_statistics(spec.input)
    shipped: dict[str, Any] = {}
    if weights := weights or next(iter(weights_of(spec.hash)), None):
        statistics = {key: tuple(weights.card[key]) for key in ("mean", "std")}
        shipped = {"file": str(weights.path), "label_names": tuple(weights.card["classes"])}
    return {
        "input_size": spec.input,
        "pool_size": shape[1:] if len(shape) > 1 else None,
        "first_conv": paths[0] if len(paths) == 1 else paths or None,
        "classifier": "head.fc",
        "num_classes": spec.head.classes if spec.head else 0,
        **statistics,
        **shipped,
        "interpolation": "bicubic",
        "crop_pct": 1.0,
        "fixed_input_size": False,
        "license": "mit",
    }
