"""Groups of a convolution with its norm, activation and dropout, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fieldspec.architectures.adoption.graph.parts import Leaf, Series
from fieldspec.architectures.adoption.recognition.words import act_word, norm_word, numbers, padding
from fieldspec.blocks.layers import Activation, Conv, ConvTranspose, Dropout, Layer, Normalization

Steps = tuple[str, str, str]
CONV_FIRST: Steps = ("conv", "norm", "act")
ORDERS: tuple[Steps, ...] = (
    CONV_FIRST,
    ("norm", "act", "conv"),
    ("conv", "act", "norm"),
    ("norm", "conv", "act"),
    ("act", "conv", "norm"),
    ("act", "norm", "conv"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """A convolution with the layers that belong to it."""

    conv: Conv | ConvTranspose
    norm: Normalization | None
    act: str
    dropout: float
    order: Steps
    end: int  # index of the part after it

    @property
    def style(self) -> dict[str, Any]:
        """Norm, activation and order as settings."""
        return {"norm": self.norm_word, "act": self.act, "order": list(self.order)}

    @property
    def norm_word(self) -> Any:
        """The norm as a setting."""
        return "none" if self.norm is None else norm_word(self.norm)

    @property
    def window(self) -> dict[str, Any]:
        """Kernel, stride, padding and dilation as settings."""
        conv = self.conv
        given = {"kernel": numbers(conv.kernel_size), "stride": numbers(conv.stride)}
        if isinstance(conv, ConvTranspose):
            given |= {"padding": numbers(conv.padding), "output_padding": numbers(conv.output_padding)}
        else:
            sides = padding(conv.padding, conv.kernel_size, conv.dilation, conv.stride)
            given |= {} if sides is None else {"padding": sides}
        return {**given, "dilation": numbers(conv.dilation)}

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has its own convolution."""
        return isinstance(self.conv, Conv) and self.conv.groups == self.conv.in_channels == self.conv.out_channels

    @property
    def is_pointwise(self) -> bool:
        """Whether it is a plain 1x1 convolution."""
        conv = self.conv
        return isinstance(conv, Conv) and conv.groups == 1 and set(conv.kernel_size) == set(conv.stride) == {1}


def group_at(series: Series, start: int, order: Steps) -> Group | None:
    """The group that starts at a part, including as many layers as the order allows; None if there is none."""
    at = start
    found: dict[str, Layer] = {}
    for step in order:
        layer = _layer(series, at)
        if isinstance(layer, KINDS[step]):
            found[step], at = layer, at + 1
        elif step == "conv":
            return None
    dropout = _layer(series, at)
    if isinstance(dropout, Dropout):
        at += 1
    conv, norm, act = found["conv"], found.get("norm"), found.get("act")
    assert isinstance(conv, Conv | ConvTranspose)  # guaranteed by KINDS
    return Group(
        conv,
        norm if isinstance(norm, Normalization) else None,
        act_word(act),
        dropout.p if isinstance(dropout, Dropout) else 0.0,
        order,
        at,
    )


KINDS: dict[str, Any] = {"conv": Conv | ConvTranspose, "norm": Normalization, "act": Activation}


def _layer(series: Series, at: int) -> Layer | None:
    part = series[at] if at < len(series) else None
    return part.layer if isinstance(part, Leaf) else None


def groups_in(series: Series, order: Steps) -> list[Group] | None:
    """The groups that a series consists of; None if it contains anything else."""
    groups: list[Group] = []
    at = 0
    while at < len(series):
        group = group_at(series, at, order)
        if group is None:
            return None
        groups.append(group)
        at = group.end
    return groups


def convolution(group: Group) -> dict[str, Any]:
    """A group as an item."""
    conv = group.conv
    groups: Any = "depthwise" if group.is_depthwise and conv.groups > 1 else conv.groups
    if isinstance(conv, ConvTranspose):
        groups = conv.groups
    settings = {
        "out": conv.out_channels,
        **group.window,
        "groups": groups,
        "bias": conv.bias,
        **group.style,
        "dropout": group.dropout,
    }
    return {"conv_transpose" if isinstance(conv, ConvTranspose) else "conv": settings}
