"""Metadata of .tflite files: a description of the network, and a memory plan for its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from fieldspec.analysis.inference.lowering.operators import WEIGHTED, Lowered
from fieldspec.analysis.inference.offline import Plan
from fieldspec.export.litert.model_file import pack, tensor_names, unpack
from fieldspec.export.litert.options import CODES

TRAINED = {CODES[kind] for kind in (*WEIGHTED, "prelu")}
OWN = "fieldspec"
OFFLINE = "OfflineMemoryAllocation"
PLAN_VERSION, SUBGRAPH, ONLINE = 1, 0, -1


def with_metadata(model: bytes, said: Mapping[str, Any], lowered: Lowered, plan: Plan | None = None) -> bytes:
    """Add metadata to a file: the network's description as JSON, and a memory plan that LiteRT-Micro follows.

    Args:
        model: The file, with operators in the plan's order.
        said: The description, as plain data.
        lowered: The lowered network.
        plan: The memory plan; None leaves the offsets to the engine.
    """
    found = unpack(model)
    _add(found, OWN, json.dumps(said).encode())
    if plan is not None:
        places = dict(zip(tensor_names(lowered), plan.offsets, strict=True))
        names = [tensor.name.decode() for tensor in found.subgraphs[0].tensors]
        offsets = [places.get(name, ONLINE) for name in names]
        table = np.array([PLAN_VERSION, SUBGRAPH, len(offsets), *offsets], np.int32)
        _add(found, OFFLINE, table.tobytes())
    return pack(found)


def said_in(model: bytes) -> dict[str, Any]:
    """Read the description that fieldspec wrote; empty for other files."""
    found = unpack(model)
    for entry in found.metadata or []:
        if entry.name == OWN.encode():
            said: dict[str, Any] = json.loads(bytes(found.buffers[entry.buffer].data))
            return said
    return {}


def flash_in(model: bytes) -> int:
    """Bytes of weights, biases and quantization parameters in an int8 file."""
    found = unpack(model)
    graph = found.subgraphs[0]
    codes = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in found.operatorCodes]
    weighted = {
        tensor
        for operator in graph.operators
        if codes[operator.opcodeIndex] in TRAINED
        for tensor in operator.inputs
        if found.buffers[graph.tensors[tensor].buffer].data is not None
    }
    tables = [int(one.inputs[1]) for one in graph.operators if codes[one.opcodeIndex] == CODES["gather"]]
    total = sum(len(found.buffers[graph.tensors[index].buffer].data) for index in tables)
    for index, tensor in enumerate(graph.tensors):
        if tensor.quantization is not None and tensor.quantization.scale is not None:  # not a transposed conv's shape
            total += len(found.buffers[tensor.buffer].data) if index in weighted else 0
            total += 4 * np.size(tensor.quantization.scale) + 8 * np.size(tensor.quantization.zeroPoint)
    return total


def _add(model: Any, name: str, data: bytes) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(data, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers) - 1
    model.metadata = [one for one in model.metadata or [] if one.name != name.encode()] + [entry]
