"""The networks of MLPerf Tiny, and MobileNetV2, as specs: what engines are measured by."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]
SAME = [[0, 1], [0, 1]]  # TensorFlow's `same` of a 3x3 window with a stride of 2 on an even map


def _pointwise(out: int, **settings: Any) -> Document:
    return {"conv": {"out": out, "kernel": 1, **settings}}


def autoencoder() -> Document:
    """Anomaly detection: dense layers of 128 around a middle of 8, as 1x1 convolutions of one unit."""
    layers = [_pointwise(out) for out in (128, 128, 128, 128, 8, 128, 128, 128, 128)]
    return {"name": "autoencoder", "input": [640, 1, 1], "layers": [*layers, _pointwise(640, norm="none", act="none")]}


def ds_cnn() -> Document:
    """Keyword spotting: a 10x4 window over 49 frames of 10, then four depthwise-separable layers of 64."""
    stem = {"conv": {"out": 64, "kernel": [10, 4], "stride": 2, "padding": [[4, 5], [1, 1]]}}
    layers = [stem, {"depthwise_separable": {"out": 64}, "repeat": 4}]
    return {"name": "ds_cnn", "input": [1, 49, 10], "layers": layers, "head": {"classes": 12}}


def resnet8() -> Document:
    """Image classification: three residual stages of 16, 32 and 64 on 32x32."""
    layers: list[Document] = [{"conv": {"out": 16}}, {"residual": {"out": 16}}]
    for out in (32, 64):
        strided = {"conv": {"out": out, "stride": 2, "padding": SAME}}
        body = [strided, {"conv": {"out": out, "act": "none"}}]
        around = _pointwise(out, stride=2, act="none")
        merge = {"merge": "add", "branches": [body, [around]]}
        layers += [{"parallel": merge}, {"act": {}}]
    return {"name": "resnet8", "input": [3, 32, 32], "layers": layers, "head": {"classes": 10}}


def mobilenet_v1(size: int = 96) -> Document:
    """Visual wake words: MobileNetV1 at a quarter of its width."""
    layers: list[Document] = [{"conv": {"out": 8, "stride": 2, "padding": SAME}}]
    for out, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]:
        settings = {"stride": 2, "padding": SAME} if stride == 2 else {}
        layers.append({"depthwise_separable": {"out": out, **settings}})
    return {"name": "mobilenet_v1", "input": [3, size, size], "layers": layers, "head": {"classes": 2}}


def mobilenet_v2(size: int = 224) -> Document:
    """MobileNetV2 with TensorFlow's padding: ratio, channels, copies, stride of each stage (Sandler et al., 2018)."""
    layers: list[Document] = [{"conv": {"out": 32, "stride": 2, "padding": SAME, "act": "relu6"}}]
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for ratio, out, copies, stride in stages:
        for copy in range(copies):
            strided = {"stride": 2, "padding": SAME} if stride == 2 and copy == 0 else {}
            layers.append({"inverted_residual": {"expand_ratio": ratio, "out": out, "act": "relu6", **strided}})
    layers.append(_pointwise(1280, act="relu6"))
    return {"name": "mobilenet_v2", "input": [3, size, size], "layers": layers, "head": {"classes": 1000}}
