"""The document of a spec: items with ids and sources, the head, and the defaults that make it shortest."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from fieldspec.architectures.adoption.graph.beyond import Beyond, BeyondError
from fieldspec.architectures.adoption.graph.plan import Vertices
from fieldspec.architectures.adoption.graph.regions import Regions, regions_of
from fieldspec.architectures.adoption.recognition.cost import cost
from fieldspec.architectures.adoption.recognition.recognizer import Recognizer
from fieldspec.architectures.adoption.recognition.repeats import Written
from fieldspec.architectures.adoption.recognition.trial import ItemData, Trial
from fieldspec.architectures.adoption.recognition.words import act_word, norm_word
from fieldspec.architectures.adoption.writing.heads import Head, head_of
from fieldspec.architectures.adoption.writing.ids import Paths
from fieldspec.architectures.adoption.writing.layout import RegionItems, laid_out
from fieldspec.architectures.adoption.writing.own_blocks import with_own_blocks
from fieldspec.blocks.layers import Activation, Conv, Normalization

Document = dict[str, Any]

RELU = json.dumps("relu")
ORDERS = (None, ["norm", "act", "conv"], ["conv", "act", "norm"])


def document_of(plan: Vertices, name: str) -> Document:
    """The spec of a network as plain data, with the defaults that make it shortest.

    Raises:
        BeyondError: Some layer cannot be expressed.
    """
    if plan.problems:
        raise BeyondError(name, plan.problems)
    trunk = regions_of(plan)
    best: Document | None = None
    for order in ORDERS:
        for defaults in _styles(plan) if order is None else [dict(best["defaults"] if best else {})]:
            given = defaults if order is None else {"order": order, **defaults}
            made = _document(trunk, plan, name, given)
            if best is None or cost(made) < cost(best):
                best = made
    assert best is not None  # there is at least one style
    return best if best["defaults"] else {key: value for key, value in best.items() if key != "defaults"}


def _styles(plan: Vertices) -> Iterator[ItemData]:
    """Activations and norms that are frequent enough to be defaults."""
    layers = [vertex.layer for vertex in plan.vertices()]
    acts = Counter(json.dumps(act_word(layer)) for layer in layers if isinstance(layer, Activation))
    norms = Counter(json.dumps(norm_word(layer)) for layer in layers if isinstance(layer, Normalization))
    bare = sum(isinstance(layer, Conv) and layer.bias for layer in layers)
    words: list[Any] = [json.loads(word) for word, _ in norms.most_common(1)]
    words += ["none"] if 3 * bare > norms.total() else []
    for act in dict.fromkeys([RELU, *[word for word, _ in acts.most_common(1)]]):
        for norm in ["batch", *[word for word in words if word != "batch"]]:
            yield ({} if act == RELU else {"act": json.loads(act)}) | ({} if norm == "batch" else {"norm": norm})


def _document(trunk: Regions, plan: Vertices, name: str, defaults: ItemData) -> Document:
    trial, paths = Trial(defaults), Paths(plan)
    recognizer = Recognizer(trial)
    rows: list[list[Written]] = []
    head: Head | None = None
    for region in trunk.regions[1:]:
        shape = (region.merge or region.inputs[0].end).shape
        series = region.series
        if region is trunk.output:
            head, series = head_of(series, shape, recognizer)
        written = recognizer.written(series, shape)
        if written is None:
            stuck = {id(vertex): vertex for vertex in recognizer.stuck}
            places = [Beyond(one.path, one.layer.kind, recognizer.why(one)) for one in stuck.values()]
            raise BeyondError(name, places)
        rows.append(written)
    rows, blocks = with_own_blocks(rows, trial, paths)
    regions = [RegionItems(region, row) for region, row in zip(trunk.regions[1:], rows, strict=True)]
    layers = laid_out(regions, trunk.regions[0], paths) or [{"identity": {}}]  # a spec has at least one item
    document: Document = {"schema": 1, "name": name, "input": list(plan.input.shape), "defaults": defaults}
    document |= {"blocks": blocks} if blocks else {}
    return document | {"layers": layers} | ({} if head is None else {"head": head})
