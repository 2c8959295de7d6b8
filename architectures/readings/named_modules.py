"""Third-party networks by name, as on the command line: `timm:resnet50`."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from fieldspec.architectures.readings.reports import MODULE_NAME
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import article, first_line
from fieldspec.blocks.layers import Shape
from fieldspec.blocks.suggestions import did_you_mean

SETTING = re.compile(r",(?=\w+=)")  # a comma before the next setting, not inside a list


def named_module(text: str, *, weights: bool = True, **further: Any) -> tuple[nn.Module, Shape]:
    """Create the network of this name with random weights; returns it with its default input shape.

    Args:
        text: `timm:resnet50`, `torchvision:googlenet`, `my_package.nets:make` (a class, a function, or a module
            instance), each with settings: `timm:resnet50,output_stride=8`.
        weights: False to create it on the meta device, if its constructor allows that.
        further: Settings in addition to those in the text.

    Raises:
        FieldspecError: There is no such network, or it cannot be created with these settings.
    Example:
        >>> net, shape = named_module("timm:resnet18,in_chans=1", weights=False)
        >>> shape, net.conv1.weight.shape[1]
        ((3, 224, 224), 1)
    """
    found = MODULE_NAME.fullmatch(text)
    if found is None:
        raise FieldspecError(
            f"{text!r} does not name a network; write timm:NAME, torchvision:NAME or package.module:FACTORY"
        )
    home, name = found["home"], found["name"]
    settings = {**_settings(found["settings"]), **further}
    maker = {"timm": _timm, "torchvision": _torchvision}.get(home, _imported(home))
    make = maker(name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision's, about weights that were not requested
            net = _without_weights(make, settings) if not weights else make(**settings)
    except Exception as error:  # third-party constructors may raise anything
        raise FieldspecError(f"{text}: cannot be created: {_said(error)}") from error
    if not isinstance(net, nn.Module):
        raise FieldspecError(f"{text}: returns {article(type(net).__name__)}, not an nn.Module")
    return net, own_input(net, name)


def own_input(net: nn.Module, name: str = "") -> Shape:
    """Default input shape of a network: from its own configuration, else 3 x 224 x 224."""
    size = (getattr(net, "pretrained_cfg", None) or {}).get("input_size")
    if size is not None:
        return tuple(size)
    return (3, 299, 299) if "inception" in name else (3, 224, 224)


def _settings(text: str) -> dict[str, Any]:
    """Parse settings such as `,a=1,b=[2,3],c=None`.

    Raises:
        FieldspecError: A value is neither Python nor YAML.
    """
    pairs = [part.split("=", 1) for part in SETTING.split(text)[1:]]
    try:
        return {key: _value_of(value) for key, value in pairs}
    except yaml.YAMLError:
        raise FieldspecError(
            f"{text.lstrip(',')!r}: is not a list of settings such as in_chans=1,output_stride=8"
        ) from None


def _value_of(text: str) -> Any:
    """Parse a value as Python (`None`, `(2, 2)`, `[None, 'same']`), else as YAML (`null`, `resnet18`)."""
    with suppress(ValueError, SyntaxError):
        return ast.literal_eval(text.strip())
    return yaml.safe_load(text)


def _without_weights(make: Callable[..., Any], settings: dict[str, Any]) -> Any:
    try:
        with torch.device("meta"):
            return make(**settings)
    except (RuntimeError, NotImplementedError):  # the constructor computes with its weights
        return make(**settings)


def _timm(name: str) -> Callable[..., Any]:
    import timm

    if not timm.is_model(name):
        raise FieldspecError(f"timm has no model {name!r}.{did_you_mean(name, timm.list_models())}")
    return lambda **settings: timm.create_model(name, **settings)


def _torchvision(name: str) -> Callable[..., Any]:
    import torchvision

    if name not in torchvision.models.list_models():
        raise FieldspecError(
            f"torchvision has no model {name!r}.{did_you_mean(name, torchvision.models.list_models())}"
        )
    defaults = {"weights": None}
    if name in torchvision.models.list_models(torchvision.models.segmentation):
        defaults["weights_backbone"] = None
    return lambda **settings: torchvision.models.get_model(name, **{**defaults, **settings})


def _said(error: Exception) -> str:
    """An exception in one line, with its type if that says more than the message."""
    text = first_line(str(error))
    is_plain = isinstance(error, ImportError | RuntimeError | TypeError | ValueError) and text
    return text if is_plain else first_line(repr(error))


def _imported(home: str) -> Callable[[str], Callable[..., Any]]:
    def find(name: str) -> Callable[..., Any]:
        sys.path.insert(0, str(Path.cwd()))  # as with `python -m`
        try:
            module = importlib.import_module(home.removesuffix(".py").replace("/", ".").replace("\\", "."))
        except Exception as error:  # third-party modules may raise anything
            raise FieldspecError(f"{home}: cannot be imported: {_said(error)}") from error
        finally:
            sys.path.pop(0)
        try:
            made = getattr(module, name)
        except AttributeError:
            raise FieldspecError(f"{home} has no {name!r}.{did_you_mean(name, dir(module))}") from None
        return (lambda: made) if isinstance(made, nn.Module) else made

    return find
