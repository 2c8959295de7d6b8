"""Writing of a .tflite file, operator by operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.blocks.layers import SelectChannels, Shape
from fieldspec.export.litert.options import CODES, options

if TYPE_CHECKING:  # reading a file needs no torch
    from fieldspec.training.quantization.folding import OperatorWeights

SIGNATURE = "serving_default"
IDENTIFIER = b"TFL3"


def tensor_names(lowered: Lowered) -> list[str]:
    """Name each tensor: `input`, or the layer whose operator produces it."""
    makers = {operator.output: operator for operator in lowered.operators}
    names: list[str] = []
    for tensor in range(len(lowered.shapes)):
        name = makers[tensor].id if tensor in makers else "input"
        if tensor in makers and name in names:
            name = f"{name}:{makers[tensor].kind}"
        while name in names:
            name += "'"
        names.append(name)
    return names


def write_model(
    lowered: Lowered, weights: Mapping[int, OperatorWeights], name: str, order: Sequence[int] | None = None
) -> bytes:
    """Write a float32 model with one input and the network's outputs, channels last, with batch 1.

    Args:
        lowered: The lowered network.
        weights: Weights by operator index.
        name: The network's name.
        order: Order to run the operators in; by default their own.
    """
    writer = _Writer(lowered, weights)
    for index in order if order is not None else range(len(lowered.operators)):
        writer.add(index)
    return pack(writer.model(name))


def pack(model: Any) -> bytes:
    """Serialize a model object to the bytes of a file."""
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def unpack(data: bytes) -> Any:
    """Parse the bytes of a file; buffers that the quantizer stores after a large model are included."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for buffer in model.buffers:
        if buffer.data is None and buffer.size:
            buffer.data = np.frombuffer(data, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def channels_last(shape: Shape) -> list[int]:
    """The shape of a map or vector in the engine: channels last, with batch 1.

    Example:
        >>> channels_last((3, 32, 16)), channels_last((10,))
        ([1, 32, 16, 3], [1, 10])
    """
    return [1, *shape[1:], shape[0]]


def integers_of(operator: Operator, lowered: Lowered) -> dict[str, Sequence[Any]]:
    """Integer inputs of an operator without weights, by name, in the engine's order."""
    shape = lowered.shapes[operator.output]
    match operator.kind:
        case "gather":
            assert isinstance(operator.layer, SelectChannels)
            return {"channels": operator.layer.index}
        case "slice":
            return {"begin": [0, *(before for before, _ in operator.sides)], "size": channels_last(shape)}
        case "pad":
            return {"sides": [(0, 0), *operator.sides]}
        case "resize_bilinear" | "resize_nearest":
            return {"size": shape[1:]}
    return {}


def constant_tensor(model: Any, name: str, values: npt.NDArray[Any]) -> Any:
    """A tensor with values in a new buffer of a model or model writer."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    kind = schema.TensorType.INT32 if values.dtype == np.int32 else schema.TensorType.FLOAT32
    return tensor_of(name, values.shape, kind, len(model.buffers) - 1)


def tensor_of(name: str, shape: Sequence[int], kind: int = schema.TensorType.FLOAT32, buffer: int = 0) -> Any:
    """A tensor; buffer 0 is the empty buffer."""
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.type, tensor.buffer = name, np.array(shape, np.int32), kind, buffer
    tensor.hasRank = True
    return tensor


class _Writer:
    """Collects tensors, buffers and operators."""

    def __init__(self, lowered: Lowered, weights: Mapping[int, OperatorWeights]) -> None:
        self.lowered = lowered
        self.weights = weights
        self.buffers = [schema.BufferT()]  # by convention, buffer 0 is empty
        self.operators: list[Any] = []
        self.codes: list[int] = []
        self.shared: dict[tuple[Any, ...], list[int]] = {}
        names = tensor_names(lowered)
        self.tensors = [
            tensor_of(name, channels_last(shape)) for name, shape in zip(names, lowered.shapes, strict=True)
        ]

    def constant(self, name: str, values: npt.NDArray[Any]) -> int:
        """Add a constant tensor."""
        self.tensors.append(constant_tensor(self, name, values))
        return len(self.tensors) - 1

    def add(self, index: int) -> None:
        """Add an operator with its constants."""
        operator = self.lowered.operators[index]
        item = schema.OperatorT()
        code = CODES[operator.kind]
        if code not in self.codes:
            self.codes.append(code)
        item.opcodeIndex = self.codes.index(code)
        item.inputs = self._inputs(index, operator)
        item.outputs = [operator.output]
        item.builtinOptionsType, item.builtinOptions = options(operator, self.lowered)
        self.operators.append(item)

    def _inputs(self, index: int, operator: Operator) -> list[int]:
        name = self.tensors[operator.output].name
        given = list(operator.inputs)
        if operator.trained:
            own = self._weights(index, operator, name)
            if operator.kind == "transpose_conv":
                shape = np.array(channels_last(self.lowered.shapes[operator.output]), np.int32)
                return [self.constant(f"{name}/shape", shape), own[0], *given, own[1]]
            return [*given, *own]
        named = integers_of(operator, self.lowered).items()
        return [*given, *(self.constant(f"{name}/{word}", np.array(values, np.int32)) for word, values in named)]

    def _weights(self, index: int, operator: Operator, name: str) -> list[int]:
        """Add weight and bias, or a slope; shared weights that are folded identically are stored once."""
        found = self.weights[index]
        weight, bias = (tensor.detach().cpu().numpy() for tensor in (found.weight, found.bias))
        arrays = {"weight": in_layout(operator, weight), "bias": bias}
        if operator.kind == "prelu":
            arrays = {"slope": weight.reshape(1, 1, -1)}
        values = {word: array.astype(np.float32) for word, array in arrays.items()}
        key = (operator.kind, *[(array.shape, array.tobytes()) for array in values.values()])
        owner = self.shared.get(key) if operator.shared else None
        if owner is None:
            owner = [self.constant(f"{name}/{word}", array) for word, array in values.items()]
            self.shared[key] = owner
        return owner

    def model(self, name: str) -> Any:
        """The whole."""
        graph = schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = name, self.tensors, self.operators
        graph.inputs, graph.outputs = [0], list(self.lowered.outputs)
        model = schema.ModelT()
        model.version, model.description = 3, "fieldspec"
        model.subgraphs, model.buffers = [graph], self.buffers
        model.operatorCodes = [operator_code(code) for code in self.codes]
        model.signatureDefs = [_signature(self.lowered.outputs)]
        return model


def in_layout(operator: Operator, weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Convert weights from torch's layout to LiteRT's: output channels first, input (or depthwise) channels last."""
    if operator.kind == "transpose_conv":
        return weight.transpose(1, 2, 3, 0)
    if operator.kind == "depthwise_conv":
        return weight.transpose(1, 2, 3, 0)
    if operator.kind == "conv":
        return weight.transpose(0, 2, 3, 1)
    if operator.flattened:
        channels, height, width = operator.flattened
        return weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return weight


def code_index(model: Any, code: int) -> int:
    """Index of an operator code in a model, added if missing."""
    for index, known in enumerate(model.operatorCodes):
        if max(known.builtinCode, known.deprecatedBuiltinCode) == code:
            return index
    model.operatorCodes.append(operator_code(code))
    return len(model.operatorCodes) - 1


def operator_code(code: int) -> Any:
    """The operator code of a kind of operator, readable by older versions too."""
    found = schema.OperatorCodeT()
    found.builtinCode, found.deprecatedBuiltinCode = code, min(code, 127)
    return found


def _signature(outputs: Sequence[int]) -> Any:
    names = ["output", *[f"output_{number}" for number in range(1, len(outputs))]]
    found = schema.SignatureDefT()
    found.signatureKey, found.subgraphIndex = SIGNATURE.encode(), 0
    found.inputs = [_named("input", 0)]
    found.outputs = [_named(name, tensor) for name, tensor in zip(names, outputs, strict=True)]
    return found


def _named(name: str, tensor: int) -> Any:
    found = schema.TensorMapT()
    found.name, found.tensorIndex = name, tensor
    return found
