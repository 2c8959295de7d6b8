"""TensorFlow's `same`, exact with a stride, for the size of the map where a block stands."""

from typing import Any

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from fieldspec.architectures import build, load
from fieldspec.architectures.document.problems import SpecError
from fieldspec.blocks import conv
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.settings import made_for


@pytest.mark.parametrize("size", [(32, 32), (33, 31), (7, 8)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (5, 2, 1), (4, 3, 1), (3, 1, 2), (3, 2, 2), (2, 4, 1)]
)
def test_outputs_are_those_of_timms_port(size: tuple[int, int], kernel: int, stride: int, dilation: int) -> None:
    """timm pads in the forward pass, by the size that it finds there."""
    reference = Conv2dSame(3, 4, kernel, stride=stride, dilation=dilation)
    settings = {"out": 4, "kernel": kernel, "stride": stride, "dilation": dilation, "padding": "tf"}
    net = build({"input": [3, *size], "layers": [{"conv": {**settings, "norm": "none", "act": "none"}}]})
    net.load_state_dict(dict(zip(net.state_dict(), reference.state_dict().values(), strict=True)))
    x = torch.randn(2, 3, *size)
    torch.testing.assert_close(net(x), reference(x))


def test_the_size_is_that_of_the_place() -> None:
    """In a body and behind a stride; a depthwise convolution reads the map of its block; another input, other zeros."""
    stem: dict[str, Any] = {"conv": {"out": 4, "stride": 2, "padding": "tf"}}
    body = [stem, {"inverted_residual": {"out": 4, "expand": 8, "stride": 2, "padding": "tf", "kernel": 5}}]
    document = {"input": [3, 30, 32], "layers": [{"chain": {"body": body}}]}
    inside = load(document).items[0].settings["body"]
    assert inside[0]["conv"]["padding"] == [[0, 1], [0, 1]]
    assert inside[1]["inverted_residual"]["padding"] == [[2, 2], [1, 2]]  # of 15x16
    net = build(document, img_size=33)
    assert net.spec.items[0].settings["body"][0]["conv"]["padding"] == [[1, 1], [1, 1]]
    assert load(load(document).canonical()) == load(document)


def test_same_with_a_stride_is_refused() -> None:
    """As torch does; TensorFlow's needs a size."""
    with pytest.raises(ValueError, match="padding='same' is not supported for strided convolutions"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(SpecError, match=r"conv.padding: same cannot be combined with a stride"):
        load({"input": [3, 8, 8], "layers": [{"conv": {"out": 4, "stride": 2, "padding": "same"}}]})
    with pytest.raises(FieldspecError, match="tf with a stride depends on the map's size"):
        conv(3, out_channels=4, stride=2, padding="tf")
    with made_for((3, 8, 8)):
        assert conv(3, out_channels=4, stride=2, padding="tf").out_channels_of(3) == 4
