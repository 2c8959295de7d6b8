"""Export to ONNX with torch's exporter, and to int8 with ONNX Runtime's quantization."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fieldspec.export.engines.arrays import Pixels
from fieldspec.export.engines.standard_error import captured_standard_error

OWN = "fieldspec"


def float_onnx(net: nn.Module, shape: tuple[int, ...], said: Mapping[str, Any]) -> bytes:
    """Export to float32, with a dynamic batch size.

    Args:
        net: The network, in eval mode.
        shape: Shape of one example: channels, height, width.
        said: The metadata for the file.
    """
    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1)
    with captured_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's warnings about itself
        program = torch.onnx.export(
            net,
            (example,),
            dynamo=True,
            verbose=False,
            input_names=["input"],
            output_names=["output"],
            dynamic_shapes=({0: batch},),
        )
    assert program is not None
    return _saying(program.model_proto, said)


def int8_onnx(model: bytes, images: Pixels, said: Mapping[str, Any]) -> bytes:
    """Quantize a float file to int8 (QDQ), with a scale per output channel for weights.

    Args:
        model: The float32 file.
        images: The calibration images.
        said: The metadata for the file.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # untyped package
        """Feeds calibration images one by one."""

        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            """The next image; None after the last."""
            image = next(self.left, None)
            return None if image is None else {"input": np.ascontiguousarray(image[None])}

    with tempfile.TemporaryDirectory() as folder, captured_standard_error():
        whole, ready, small = (Path(folder, name) for name in ("whole.onnx", "ready.onnx", "small.onnx"))
        whole.write_bytes(model)
        quant_pre_process(str(whole), str(ready), skip_symbolic_shape=True)
        quantize_static(
            str(ready),
            str(small),
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return _saying(onnx.load(str(small)), said)


def _saying(proto: Any, said: Mapping[str, Any]) -> bytes:
    """Add the network's description to the metadata of a file."""
    entry = next((one for one in proto.metadata_props if one.key == OWN), None) or proto.metadata_props.add()
    entry.key, entry.value = OWN, json.dumps(said)
    data: bytes = proto.SerializeToString()
    return data
