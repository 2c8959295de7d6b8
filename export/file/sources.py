"""The network to export: trained, or with its initial weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import load
from fieldspec.training.evaluation.trained_networks import TrainedNetwork, load_trained


def network_of(source: str, *, pretrained: bool = False, seed: int = 0) -> TrainedNetwork:
    """Load the network to export, in eval mode.

    Args:
        source: A run folder or a checkpoint; or a spec file or catalogue name, with initial weights unless
            `pretrained`.
        pretrained: Whether to load pretrained weights.
        seed: Seed of the initial weights.
    """
    path = Path(source)
    if pretrained or path.is_dir() or path.suffix == ".safetensors":
        return load_trained(source, pretrained=pretrained)
    spec = load(source if source in catalogue.list_models() else path)
    torch.manual_seed(seed)
    net = build(spec).eval()
    config: Any = net.pretrained_cfg
    classes = tuple(f"class {number}" for number in range(net.num_classes))
    mean, std = (tuple(config[key]) for key in ("mean", "std"))
    return TrainedNetwork(spec.name, net, mean, std, classes, f"initial weights with seed {seed}", {})
