"""ONNX: answers, batches, what the file says of itself."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fieldspec.export.engines.onnx_runtime import OnnxRuntime
from fieldspec.export.file.checks import answers_of, check_floats
from fieldspec.export.file.images import random_images
from fieldspec.export.file.sources import network_of
from fieldspec.export.onnx.onnx_file import float_onnx, int8_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def test_float_and_int8() -> None:
    """PyTorch's answers, for a batch of any size; int8 is a third of it, and names trained classes alike."""
    network = network_of("c1c2c3c40", pretrained=True)
    images = random_images(network, 32)
    whole = float_onnx(network.net, network.spec.input, {"name": "c1c2c3c40"})
    assert check_floats(OnnxRuntime(whole, batch=5), network, images) < 1e-4
    small = int8_onnx(whole, images, {"name": "c1c2c3c40"})
    assert len(small) < len(whole) / 2
    agree = OnnxRuntime(small)(images).argmax(1) == answers_of(network.net, images).argmax(1)
    assert np.mean(agree) >= 0.9
    for model in (whole, small):
        (said,) = [one.value for one in onnx.load_from_string(model).metadata_props if one.key == "fieldspec"]
        assert json.loads(said) == {"name": "c1c2c3c40"}
