"""Registers the catalogue with timm on import, and `fieldspec` for any other spec.

A network is registered under its name in the catalogue, or as `fieldspec_NAME` if timm has a model of that name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from timm.models import generate_default_cfgs, is_model, model_entrypoint, register_model
from torch import nn

from fieldspec.architectures.network.builder import create, default_cfg
from fieldspec.architectures.network.pretrained import weights_of
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import ArchitectureSpec, load

__all__ = ["default_cfgs", "fieldspec", "timm_name"]


def timm_name(name: str) -> str:
    """Name in timm of a network of the catalogue; models of timm keep their names.

    Example:
        >>> timm_name("mobilenet_v1"), timm_name("resnet50")
        ('mobilenet_v1', 'fieldspec_resnet50')
    """
    taken = is_model(name) and model_entrypoint(name).__module__ != __name__
    return f"fieldspec_{name}" if taken else name


def _cfgs(name: str) -> dict[str, Any]:
    """timm's configurations of a network, by name and tag, the default first; by the bare name if it has no weights."""
    spec, registered = load(name), timm_name(name)
    tagged = {f"{registered}.{one.tag}": default_cfg(spec, one) for one in weights_of(spec.hash)}
    return tagged or {registered: default_cfg(spec)}


default_cfgs = generate_default_cfgs({key: cfg for name in catalogue.list_models() for key, cfg in _cfgs(name).items()})


def fieldspec(
    pretrained: bool = False,
    *,
    spec: ArchitectureSpec | str | os.PathLike[str] | Mapping[str, Any],
    pretrained_cfg: Any = None,
    **kwargs: Any,
) -> nn.Module:
    """Create the network of any spec: a dict, a path or a catalogue name; the hub's config.json stores a dict as is."""
    spec = load(spec)
    cfg = pretrained_cfg or default_cfg(spec)
    return create(spec, "fieldspec", pretrained=pretrained, pretrained_cfg=cfg, **kwargs)


def _entry_point(name: str, registered: str) -> Callable[..., nn.Module]:
    def entry_point(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        return create(name, registered, pretrained=pretrained, **kwargs)

    entry_point.__name__ = entry_point.__qualname__ = registered
    entry_point.__doc__ = f"{name} from the catalogue; takes the keywords of timm and SpecNet."
    return entry_point


def _register(entry_point: Callable[..., nn.Module]) -> None:
    """Register an entry point, unless an earlier import of this module did: timm would warn of a conflict."""
    name = entry_point.__name__
    if not is_model(name) or model_entrypoint(name).__module__ != __name__:
        register_model(entry_point)


_register(fieldspec)
_names = {name: timm_name(name) for name in catalogue.list_models()}
for _name, _registered in _names.items():
    globals()[_registered] = _entry_point(_name, _registered)
    _register(globals()[_registered])
__all__ = sorted({*__all__, *_names.values()})  # the catalogue is only known at run time
