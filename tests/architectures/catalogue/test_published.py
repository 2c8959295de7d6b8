"""The catalogue's networks beside the figures that are published of them."""

from typing import Any

import pytest

from fieldspec.architectures import analyze, load

PUBLISHED = [
    ("all_cnn_c", {}, 1_369_738),  # Springenberg et al., 2015, of whose table 1 this is the sum; "1.4 M" there
    ("densenet_bc", {}, 176_122),  # pytorchcv, densenet40_k12_bc_cifar10
    ("densenet_bc", {"depth": 100}, 769_162),  # pytorchcv, densenet100_k12_bc_cifar10
    ("edsr", {}, 1_369_859),  # "1.37 M", EDSR-PyTorch's baseline for twice the size
    ("lenet5", {}, 61_706),  # d2l.ai, section 7.6
    ("m5", {}, 558_090),  # of Dai et al., 2017, table 1; "0.5 M" there
    ("mobilenet_v1", {}, 4_231_976),  # Keras's MobileNet, without the buffers that it counts
    ("mobilenet_v1", {"width": 0.25}, 470_072),
    ("mobilenet_v1", {"width": 0.5}, 1_331_592),
    ("mobilenet_v1", {"width": 0.75}, 2_585_560),
    *[
        (
            "resnet20",
            {"depth": depth},
            params,
        )  # akamaster/pytorch_resnet_cifar10, of which the paper has the rounded ones
        for depth, params in {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}.items()
    ],
    ("resnet8", {}, 78_666 - 480),  # Keras's count of MLPerf Tiny's, without its statistics
    ("ds_cnn", {}, 24_908 - 1_152),
    ("unet", {}, 31_037_698),  # milesial/Pytorch-UNet with two classes and transposed convolutions
]


@pytest.mark.parametrize(("name", "values", "params"), PUBLISHED)
def test_published_parameters(name: str, values: dict[str, Any], params: int) -> None:
    """As many as others count."""
    assert analyze(load(name, **values)).params == params
