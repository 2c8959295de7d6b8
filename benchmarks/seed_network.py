"""The seed project's network in plain torch, written from its README; widths can be varied."""

import torch
from torch import Tensor, nn


def bottleneck(channels: int, middle: int, out: int, dropout: float) -> nn.Sequential:
    """1x1, depthwise 3x3, 1x1, each followed by ReLU and batch norm, dropout at the end."""
    layers = [
        nn.Conv2d(channels, middle, 1, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(middle),
        nn.Conv2d(middle, middle, 3, padding=1, groups=middle, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(middle),
        nn.Conv2d(middle, out, 1, bias=False),
        nn.ReLU(),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, *([nn.Dropout(dropout)] if dropout else []))


def transition(channels: int, **settings: int) -> nn.Sequential:
    """A 3x3 convolution, strided or dilated, and batch norm."""
    return nn.Sequential(nn.Conv2d(channels, channels, 3, bias=False, **settings), nn.BatchNorm2d(channels))


def shortcut(channels: int, out: int) -> nn.Sequential:
    """A 1x1 convolution and batch norm."""
    return nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))


class SeedNetwork(nn.Module):
    """C1C2C3C40; `wider` is added to the middle channels of every block."""

    def __init__(self, wider: int = 0) -> None:
        super().__init__()
        self.convblock1 = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.ReLU(), nn.BatchNorm2d(32))
        self.convblock2 = bottleneck(32, 160 + wider, 32, 0.1)
        self.convblock3 = transition(32, stride=2, padding=1)
        self.convblock4 = bottleneck(32, 160 + wider, 32, 0.1)
        self.convblock6 = transition(32, stride=2, padding=1)
        self.convblock7 = bottleneck(32, 160 + wider, 64, 0.1)
        self.shortcut1 = shortcut(32, 64)
        self.convblock8 = transition(64, dilation=2)
        self.convblock9 = bottleneck(64, 320 + wider, 132, 0.0)
        self.shortcut2 = shortcut(64, 132)
        self.gap = nn.AvgPool2d(4)
        self.linear = nn.Linear(132, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 32, 32) -> (batch, 10); logits, without the seed's log softmax."""
        x = self.convblock1(x)
        x = x + self.convblock2(x)
        x = self.convblock3(x)
        x = x + self.convblock4(x)
        x = self.convblock6(x)
        x = self.convblock7(x) + self.shortcut1(x)
        x = self.convblock8(x)
        x = self.convblock9(x) + self.shortcut2(x)
        logits: Tensor = self.linear(torch.flatten(self.gap(x), 1))
        return logits
