"""Options of each kind of operator in the .tflite schema."""

from __future__ import annotations

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator, OperatorKind
from fieldspec.blocks.layers import Activation, Conv, ConvTranspose, DepthToSpace, Pool

_B = schema.BuiltinOperator
CODES: dict[OperatorKind, int] = {
    "add": _B.ADD,
    "average_pool": _B.AVERAGE_POOL_2D,
    "concat": _B.CONCATENATION,
    "conv": _B.CONV_2D,
    "depth_to_space": _B.DEPTH_TO_SPACE,
    "depthwise_conv": _B.DEPTHWISE_CONV_2D,
    "divide": _B.DIV,
    "fully_connected": _B.FULLY_CONNECTED,
    "gather": _B.GATHER,
    "hard_swish": _B.HARD_SWISH,
    "leaky_relu": _B.LEAKY_RELU,
    "logistic": _B.LOGISTIC,
    "max_pool": _B.MAX_POOL_2D,
    "multiply": _B.MUL,
    "pad": _B.PAD,
    "prelu": _B.PRELU,
    "relu": _B.RELU,
    "resize_bilinear": _B.RESIZE_BILINEAR,
    "resize_nearest": _B.RESIZE_NEAREST_NEIGHBOR,
    "rsqrt": _B.RSQRT,
    "slice": _B.SLICE,
    "softmax": _B.SOFTMAX,
    "subtract": _B.SUB,
    "tanh": _B.TANH,
    "transpose_conv": _B.TRANSPOSE_CONV,
}
FUSED = {
    None: schema.ActivationFunctionType.NONE,
    "relu": schema.ActivationFunctionType.RELU,
    "relu6": schema.ActivationFunctionType.RELU6,
    "hardtanh": schema.ActivationFunctionType.RELU_N1_TO_1,
}


def options(operator: Operator, lowered: Lowered) -> tuple[int, Any]:
    """The type of an operator's options, and the options."""
    name, settings = _settings(operator, lowered)
    if not name:
        return schema.BuiltinOptions.NONE, None
    found = getattr(schema, f"{name}T")()
    for key, value in settings.items():
        if not hasattr(found, key):
            raise AttributeError(f"{name} has no {key}")
        setattr(found, key, value)
    return getattr(schema.BuiltinOptions, name), found


def _settings(operator: Operator, lowered: Lowered) -> tuple[str, dict[str, Any]]:
    fused = {"fusedActivationFunction": FUSED[operator.fused]}
    layer = operator.layer
    match operator.kind:
        case "add":
            return "AddOptions", fused
        case "multiply":
            return "MulOptions", fused
        case "concat":
            return "ConcatenationOptions", {"axis": len(lowered.shapes[operator.output])}  # channels, last
        case "fully_connected":
            return "FullyConnectedOptions", fused
        case "pad":
            return "PadOptions", {}
        case "gather":
            return "GatherOptions", {"axis": len(lowered.shapes[operator.output])}
        case "subtract":
            return "SubOptions", fused
        case "divide":
            return "DivOptions", fused
        case "leaky_relu":
            assert isinstance(layer, Activation)
            return "LeakyReluOptions", {"alpha": layer.slope}
        case "softmax":
            return "SoftmaxOptions", {"beta": 1.0}
        case "slice":
            return "SliceOptions", {}
        case "hard_swish":
            return "HardSwishOptions", {}
        case "resize_bilinear":
            return "ResizeBilinearOptions", {"halfPixelCenters": True}
        case "resize_nearest":
            return "ResizeNearestNeighborOptions", {}
    window = {"padding": schema.Padding.SAME if operator.same else schema.Padding.VALID, **fused}
    if isinstance(layer, Conv | ConvTranspose | Pool):
        window |= {"strideH": layer.stride[0], "strideW": layer.stride[1]}
    if isinstance(layer, Conv):
        window |= {"dilationHFactor": layer.dilation[0], "dilationWFactor": layer.dilation[1]}
        if operator.kind == "conv":
            return "Conv2DOptions", window
        return "DepthwiseConv2DOptions", {**window, "depthMultiplier": layer.out_channels // layer.in_channels}
    if isinstance(layer, DepthToSpace):
        return "DepthToSpaceOptions", {"blockSize": layer.block[0]}
    if isinstance(layer, ConvTranspose):
        return "TransposeConvOptions", window
    if isinstance(layer, Pool):
        return "Pool2DOptions", {**window, "filterHeight": layer.kernel_size[0], "filterWidth": layer.kernel_size[1]}
    return "", {}
