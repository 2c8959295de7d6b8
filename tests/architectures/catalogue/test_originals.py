"""The catalogue's networks beside their originals: counts, fields, and outputs with the same tensors."""

import pytest
import torch
from originals import ORIGINALS, Comparison, Original, largest_difference

import fieldspec as fs

AT_HAND = [original for original in ORIGINALS if not original.source.startswith("pytorchcv")]
LARGE = {"alexnet", "resnet101", "vgg16"}  # by their weights; benchmarks/catalogue.py runs all, at their own size
SIZE = 96  # pixels, which is enough for any of them


@pytest.mark.parametrize("original", AT_HAND, ids=lambda original: original.id)
def test_counts_and_fields(original: Original) -> None:
    """Parameters, multiply-adds and the field of every layer with weights are those of the traced original."""
    comparison = Comparison.of(original, original.made())
    assert comparison.differences() == []
    assert comparison.compared >= 8


@pytest.mark.parametrize(
    "original",
    [one for one in AT_HAND if one.network not in LARGE and one.values.get("width") != 128],
    ids=lambda original: original.id,
)
def test_outputs(original: Original) -> None:
    """The original's tensors, random statistics among them, give its outputs."""
    spec = fs.load(original.network, **original.values)
    net = fs.build(spec, device="meta").eval()
    torch.manual_seed(1)
    x = torch.randn(2, spec.input[0], *[min(size, SIZE) for size in spec.input[1:]])
    assert largest_difference(original.made(), net, x) < 1e-4


def test_a_difference_is_found() -> None:
    """Dilation in place of a stride changes fields and multiply-adds, another width the parameters as well."""
    other = {"output_stride": 16}
    dilated = Original("resnet50", "torchvision:resnet50", other)
    differences = Comparison.of(dilated, dilated.made()).differences()
    assert differences[0] == "macs: 6,208,618,496, and the original has 4,089,184,256"
    assert any(one.startswith("only in the original: ") for one in differences)
    narrow = Original("resnet50", "torchvision:resnet50", {"width": 32})
    assert any(one.startswith("params: ") for one in Comparison.of(narrow, narrow.made()).differences())
