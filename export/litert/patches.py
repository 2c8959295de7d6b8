"""Patch-based inference of a .tflite file: a small file for each kind of patch, then one for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from fieldspec.analysis.inference.lowering.operators import Lowered, Operator
from fieldspec.analysis.inference.offline import best_plan
from fieldspec.analysis.inference.ordering import best_order
from fieldspec.analysis.inference.patches.patch import Patch, PatchArea
from fieldspec.analysis.inference.patches.patching import Patching
from fieldspec.export.engines.arrays import Answers, Pixels, channels_last_batch
from fieldspec.export.engines.litert import LiteRT, to_floats, to_integers
from fieldspec.export.litert.metadata import with_metadata
from fieldspec.export.litert.model_file import (
    channels_last,
    code_index,
    constant_tensor,
    integers_of,
    pack,
    tensor_names,
    unpack,
)
from fieldspec.export.litert.options import CODES, options


class PatchedModel:
    """Runs a file patch by patch, with the same outputs as the whole file.

    Args:
        model: The file's bytes, in float32 or int8.
        patching: The patching of the operators that the file was written from.
        exact: Whether to use the reference kernels, which compute int8 as LiteRT-Micro does, instead of the fast ones.
    """

    def __init__(self, model: bytes, patching: Patching, *, exact: bool = False) -> None:
        self.patching = patching
        self.patches = patching.patches
        lowered, cut = patching.lowered, patching.cut
        self.files = {patch.likeness: part_file(model, lowered, patch) for patch in self.patches}
        whole = Patch.whole(cut.rest, cut.kept, lowered.operators[cut.count :])
        self.rest_file = part_file(model, lowered, whole)
        self._engines = {likeness: LiteRT(file, exact=exact) for likeness, file in self.files.items()}
        self._rest = LiteRT(self.rest_file, exact=exact)

    def __call__(self, images: Pixels) -> Answers:
        """(images, channels, height, width) -> (images, classes), or maps."""
        return np.concatenate([self._answer(image) for image in images])

    def _answer(self, image: Pixels) -> Answers:
        (answer,) = self._rest.run(self.map_of(image))[:1]
        return np.moveaxis(to_floats(answer, self._rest.outputs[0]), -1, 1)

    def map_of(self, image: Pixels) -> npt.NDArray[Any]:
        """The map assembled from the patches, in the file's dtype: (1, height, width, channels)."""
        channels, height, width = self.patching.lowered.shapes[self.patching.cut.tensor]
        engine = next(iter(self._engines.values()))
        given = to_integers(channels_last_batch(image, channels_last(self.patching.lowered.shapes[0])), engine.inputs)
        found = np.empty((1, height, width, channels), engine.outputs[0]["dtype"])
        for patch in self.patches:
            (made,) = self._engines[patch.likeness].run(np.ascontiguousarray(given[_place(patch.reads)]))
            found[_place(patch.writes)] = made
        return found


def _place(part: PatchArea) -> tuple[slice, slice, slice]:
    """Slices of a part in an array (1, height, width, channels)."""
    rows, columns = part
    return slice(None), slice(*rows), slice(*columns)


def part_file(model: bytes, lowered: Lowered, patch: Patch) -> bytes:
    """Make the file of a patch, with the whole network's weights and quantization, and a memory plan.

    Args:
        model: The whole network's file.
        lowered: The lowered network that it was written from.
        patch: The patch, with some of its operators.
    """
    part = patch.lowered
    plan = best_plan(part, best_order(part))
    writer = _PartWriter(unpack(model), lowered, patch)
    for index in plan.order:
        writer.add(index)
    return with_metadata(pack(writer.finish()), {}, part, plan)


class _PartWriter:
    """Copies what a patch needs from a model."""

    def __init__(self, model: Any, lowered: Lowered, patch: Patch) -> None:
        self.model, self.patch = model, patch
        self.graph = model.subgraphs[0]
        names = [tensor.name.decode() for tensor in self.graph.tensors]
        self.places = [names.index(name) for name in tensor_names(lowered)]  # in the file, by tensor index
        self.makers = {int(operator.outputs[0]): operator for operator in self.graph.operators}
        self.tensors: list[Any] = []
        for name, shape, of in zip(tensor_names(patch.lowered), patch.lowered.shapes, patch.tensors, strict=True):
            tensor = copy(self.graph.tensors[self.places[of]])
            tensor.name, tensor.shape, tensor.shapeSignature = name, np.array(channels_last(shape), np.int32), None
            self.tensors.append(tensor)
        self.operators: list[Any] = []

    def add(self, index: int) -> None:
        """Add an operator: one of the network's on other sizes, or one that the patch adds."""
        operator, original = self.patch.lowered.operators[index], self.patch.operators[index]
        item = schema.OperatorT()
        item.opcodeIndex = code_index(self.model, CODES[operator.kind])
        item.inputs = [*operator.inputs, *self._constants(operator, original)]
        item.outputs = [operator.output]
        item.builtinOptionsType, item.builtinOptions = options(operator, self.patch.lowered)
        self.operators.append(item)

    def _constants(self, operator: Operator, original: Operator | None) -> list[int]:
        """Constant inputs of an operator: the network's weights, or its own sizes."""
        own = integers_of(operator, self.patch.lowered)
        if own:
            return [self._constant(f"{operator.id}/{len(self.tensors)}", values) for values in own.values()]
        assert original is not None  # operators that a patch adds pad or crop, and have integers
        known = set(self.places)
        made = self.makers[self.places[original.output]]
        return [self._taken(int(tensor)) for tensor in made.inputs if tensor not in known]

    def _taken(self, tensor: int) -> int:
        self.tensors.append(copy(self.graph.tensors[tensor]))
        return len(self.tensors) - 1

    def _constant(self, name: str, values: Sequence[Any]) -> int:
        self.tensors.append(constant_tensor(self.model, name, np.array(values, np.int32)))
        return len(self.tensors) - 1

    def finish(self) -> Any:
        """The finished model, without the whole network's signature and metadata."""
        self.graph.tensors, self.graph.operators = self.tensors, self.operators
        self.graph.inputs, self.graph.outputs = [0], list(self.patch.lowered.outputs)
        self.model.signatureDefs, self.model.metadata = None, []
        return self.model
