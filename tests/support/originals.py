"""The catalogue beside the networks that it says: their counts and fields, and their outputs with the same tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

import fieldspec as fs
from fieldspec.analysis.report.layer_report import LayerReport
from fieldspec.analysis.report.report import Report
from fieldspec.architectures.readings.named_modules import named_module


@dataclass(frozen=True)
class Original:
    """A network of somebody else, and the entry of the catalogue that says it."""

    network: str  # of the catalogue
    source: str  # as the commands take it: torchvision:resnet18, package.module:factory,setting=value
    values: dict[str, Any] = field(default_factory=dict)  # of the entry's parameters

    @property
    def id(self) -> str:
        """The entry and the values that it takes here."""
        return " ".join([self.network, *[f"{name}={value}" for name, value in self.values.items()]])

    def made(self) -> nn.Module:
        """The original in eval mode, on the meta device where that is possible: its tensors are drawn when copied."""
        return named_module(self.source, weights=False)[0].eval()


DILATED = "torchvision:resnet50,replace_stride_with_dilation="
CV = "pytorchcv.model_provider:get_model,name="
ORIGINALS = [
    Original("alexnet", "torchvision:alexnet"),
    Original("convmixer", "timm.models.convmixer:ConvMixer,dim=256,depth=8,kernel_size=9,patch_size=1,num_classes=10"),
    Original("convnext_tiny", "torchvision:convnext_tiny"),
    Original("densenet121", "torchvision:densenet121"),
    Original("densenet_bc", f"{CV}densenet40_k12_bc_cifar10"),
    Original("densenet_bc", f"{CV}densenet100_k12_bc_cifar10", {"depth": 100}),
    Original("efficientnet_b0", "torchvision:efficientnet_b0"),
    Original("ghostnet", "timm:ghostnet_100"),
    Original("googlenet", "torchvision:googlenet,aux_logits=False,init_weights=False"),
    Original("inception_v3", "torchvision:inception_v3,aux_logits=False,init_weights=False"),
    Original("mobilenet_v1", "timm:mobilenetv1_100"),
    Original("mobilenet_v2", "torchvision:mobilenet_v2"),
    Original("mobilenet_v2", "torchvision:mobilenet_v2,width_mult=0.5", {"width": 0.5}),
    Original("mobilenet_v3_large", "torchvision:mobilenet_v3_large"),
    Original("mobilenet_v3_small", "torchvision:mobilenet_v3_small"),
    Original("mobilenet_v3_small", "torchvision:mobilenet_v3_small,width_mult=0.75", {"width": 0.75}),
    Original("nin", f"{CV}nin_cifar10"),
    Original("regnet_y_400mf", "torchvision:regnet_y_400mf"),
    Original("res2net50", "timm:res2net50_26w_4s"),
    Original("resnet101", "torchvision:resnet101"),
    Original("resnet18", "torchvision:resnet18"),
    Original("resnet20", f"{CV}resnet20_cifar10", {"shortcut": "auto"}),
    Original("resnet20", f"{CV}resnet110_cifar10", {"shortcut": "auto", "depth": 110}),
    Original("resnet34", "torchvision:resnet34"),
    Original("resnet50", "torchvision:resnet50"),
    Original("resnet50", "torchvision:wide_resnet50_2", {"width": 128}),
    Original("resnet50", f"{DILATED}[False,False,True]", {"output_stride": 16}),
    Original("resnet50", f"{DILATED}[False,True,True]", {"output_stride": 8}),
    Original("resnext50", "torchvision:resnext50_32x4d"),
    Original("shufflenet_v2", "torchvision:shufflenet_v2_x1_0"),
    Original("shufflenet_v2", "torchvision:shufflenet_v2_x0_5", {"s8": 48, "s16": 96, "s32": 192}),
    Original("squeezenet1_1", "torchvision:squeezenet1_1"),
    Original("vgg16", "torchvision:vgg16"),
    Original("vgg16", "torchvision:vgg16_bn", {"norm": "batch"}),
    Original("wrn", f"{CV}wrn16_10_cifar10", {"width": 10}),
    Original("wrn", f"{CV}wrn28_10_cifar10", {"depth": 28, "width": 10}),
]


@dataclass(frozen=True)
class Comparison:
    """What an entry of the catalogue and its original have in common."""

    claimed: Report
    traced: Report

    @classmethod
    def of(cls, original: Original, net: nn.Module) -> Comparison:
        """Both analysed, at the input of the entry."""
        claimed = fs.analyze(fs.load(original.network, **original.values))
        return cls(claimed, fs.analyze(net, input_size=claimed.input))

    def differences(self) -> list[str]:
        """Where they differ: parameters, multiply-adds, or the field of a layer with weights."""
        found = [
            f"{name}: {getattr(self.claimed, name):,}, and the original has {getattr(self.traced, name):,}"
            for name in ("params", "macs")
            if getattr(self.claimed, name) != getattr(self.traced, name)
        ]
        ours, theirs = (Counter(map(_place, _weighted(report))) for report in (self.claimed, self.traced))
        found += [f"only here: {count} x {place}" for place, count in (ours - theirs).items()]
        found += [f"only in the original: {count} x {place}" for place, count in (theirs - ours).items()]
        if self.claimed.features.field.axes != self.traced.features.field.axes:
            found.append("the field of the features")
        return found

    @property
    def compared(self) -> int:
        """Of how many layers the fields are compared."""
        return sum(1 for _ in _weighted(self.claimed))


def _weighted(report: Report) -> Iterator[LayerReport]:
    return (layer for layer in report.layers if layer.macs)


def _place(layer: LayerReport) -> tuple[Any, ...]:
    return tuple(sorted(size for size in layer.shape if size > 1)), layer.field.axes


def largest_difference(original: nn.Module, net: nn.Module, x: torch.Tensor) -> float:
    """Between the outputs of two networks from the meta device, with the same random weights and statistics.

    Raises:
        AssertionError: The original's outputs hardly vary, so that nothing would be compared.
    """
    for module in (original, net):
        module.to_empty(device="cpu")
    copy_tensors(original, net, x)
    with torch.no_grad():
        expected, given = original(x), net(x)
    assert expected.shape == given.shape, f"{tuple(expected.shape)} and {tuple(given.shape)}"
    assert expected.std() > 0.1, f"outputs hardly vary: {expected.std():.2g}"
    return float((expected - given).abs().max())


def copy_tensors(source: nn.Module, target: nn.Module, x: torch.Tensor) -> None:
    """Random tensors for `source`, statistics too, and the same for `target`, while both run on `x`.

    A module takes those of the first in the source's forward pass that is like it and reads the same values, so that it
    does not matter which of two branches runs first.
    """
    torch.manual_seed(0)
    left: list[tuple[nn.Module, torch.Tensor]] = []

    def draw(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        _randomize(module, inputs[0])
        left.append((module, _read(inputs[0])))

    def take(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        read = _read(inputs[0])
        for number, (one, same) in enumerate(left):
            holds_others = any(True for _ in one.children())  # its own tensor may belong anywhere inside it
            if _kind(one) == _kind(module) and (holds_others or torch.allclose(read, same, rtol=1e-3)):
                del left[number]
                for tensor, place in zip(own_tensors(one), own_tensors(module), strict=True):
                    place.copy_(tensor.reshape(place.shape))
                return
        raise AssertionError(f"nothing in the original is like {module}")

    _run(source, x, draw)
    _run(target, x, take)
    assert not left, f"{len(left)} modules of the original are not in the network: {left[0][0]}"


def own_tensors(module: nn.Module) -> list[torch.Tensor]:
    """The weights and buffers of a module without those of its children."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _kind(module: nn.Module) -> tuple[Any, ...]:
    """The sizes of its tensors and its stride; a linear layer is as a 1x1 convolution."""
    strides = set(getattr(module, "stride", ())) or {1}
    return [tensor.numel() for tensor in own_tensors(module)], strides


def _read(x: torch.Tensor) -> torch.Tensor:
    """What tells two inputs apart, in whatever order their axes stand."""
    values = x.double()
    return torch.stack([values.abs().mean(), values.square().mean(), values.var()])


def _run(net: nn.Module, x: torch.Tensor, hook: Callable[[nn.Module, tuple[torch.Tensor, ...]], None]) -> None:
    """One forward pass, with a hook before each module that has tensors of its own."""
    holders = [module for module in net.modules() if own_tensors(module)]
    handles = [module.register_forward_pre_hook(hook) for module in holders]
    with torch.no_grad():
        net.eval()(x)
    for handle in handles:
        handle.remove()


def _randomize(module: nn.Module, x: torch.Tensor) -> None:
    """Statistics near those of the input, so that no activation dies out or explodes on its way down."""
    for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
        if not tensor.is_floating_point():
            continue
        with torch.no_grad():
            if name == "running_mean":
                tensor.copy_(x.mean(dim=(0, *range(2, x.ndim))) + torch.randn_like(tensor) * 0.1)
            elif name == "running_var":
                tensor.copy_((x.var(dim=(0, *range(2, x.ndim))) + 0.1) * (torch.rand_like(tensor) + 0.5))
            elif tensor.ndim > 1:
                tensor.copy_(torch.randn_like(tensor) * (2 / tensor[0].numel()) ** 0.5)
            elif name == "weight":
                tensor.copy_(torch.rand_like(tensor) + 0.5)
            else:
                tensor.copy_(torch.randn_like(tensor) * 0.1)
