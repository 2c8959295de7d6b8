"""Locally available pretrained weights of named networks; nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from fieldspec.architectures.readings.reports import MODULE_NAME

ASKED = re.compile(r",(pretrained=True|weights=(?!None\b))")
SET = ("pretrained", "weights", "num_classes")  # settings that decide about the weights
FILES = ("model.safetensors", "pytorch_model.bin")  # timm's names on the hub


def pretrained_settings(text: str) -> dict[str, Any]:
    """Settings that create a network with pretrained weights; empty if not available locally or set in the text.

    Example:
        >>> pretrained_settings("timm:resnet18,pretrained=False"), pretrained_settings("my_package.nets:make")
        ({}, {})
    """
    found = MODULE_NAME.fullmatch(text)
    if found is None or _decides(found["settings"]):
        return {}
    find = _finders().get(found["home"])
    return find(found["name"]) if find else {}


def asks_for_weights(text: str) -> bool:
    """Whether a name's settings request pretrained weights.

    Example:
        >>> asks_for_weights("timm:resnet18,pretrained=True"), asks_for_weights("torchvision:resnet18,weights=None")
        (True, False)
    """
    return ASKED.search(text) is not None


def weights_text(text: str) -> str:
    """Where the weights of a named network come from, in a few words.

    Example:
        >>> weights_text("timm:resnet18,pretrained=False"), weights_text("my_package.nets:make")
        ('randomly initialized', 'as it is made')
    """
    found = MODULE_NAME.fullmatch(text)
    if asks_for_weights(text) or pretrained_settings(text):
        return "pretrained"
    if found is None or found["home"] not in _finders():
        return "as it is made"
    if _decides(found["settings"]):
        return "randomly initialized"
    return "randomly initialized: no pretrained file was found locally"


def _decides(settings: str) -> bool:
    return any(f",{word}=" in settings for word in SET)


def _finders() -> dict[str, Callable[[str], dict[str, Any]]]:
    return {"timm": _of_timm, "torchvision": _of_torchvision}


def _of_timm(name: str) -> dict[str, Any]:
    """Settings to load a file from the hub's cache."""
    import timm
    from huggingface_hub import try_to_load_from_cache

    config = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    hub = getattr(config, "hf_hub_id", None)
    cached = [try_to_load_from_cache(hub, file) for file in FILES] if hub else []
    files = [path for path in cached if isinstance(path, str)]
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": files[0]}} if files else {}


def _of_torchvision(name: str) -> dict[str, Any]:
    """Settings to load a file from torch's folder."""
    import torchvision

    if name not in torchvision.models.list_models():
        return {}
    best = torchvision.models.get_model_weights(name).DEFAULT
    file = Path(torch.hub.get_dir(), "checkpoints", best.url.rpartition("/")[2])
    return {"weights": best} if file.is_file() else {}
