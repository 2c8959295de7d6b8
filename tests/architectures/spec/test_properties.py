"""Properties of any spec: what is said of it before a weight exists is what torch measures on the built network."""

from __future__ import annotations

import json
from typing import Any

import torch
from draws import draws
from hypothesis import given
from hypothesis import strategies as st
from strategies import c1c2c3c40_family, specs
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from fieldspec.analysis.proof.measurements.fields import measure_fields
from fieldspec.analysis.proof.proof import prove
from fieldspec.architectures import ArchitectureSpec, analyze, build, check, dump, load, loads
from fieldspec.architectures.readings.verification import module_path
from fieldspec.blocks.layers import Merge

SpecDocument = dict[str, Any]


# -- any spec --------------------------------------------------------------------------------------------------


@draws(120)
@given(specs())
def test_counts_and_shapes_are_torchs(document: SpecDocument) -> None:
    """Parameters, buffers, multiply-adds and the shape of every layer, from one forward pass of the built network."""
    report, net = analyze(document), build(document).eval()
    shapes: dict[str, tuple[int, ...]] = {}

    def note(path: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                shapes[path] = tuple(output.shape[1:])

        return hook

    for path, module in net.named_modules():
        module.register_forward_hook(note(path))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        output = net(torch.zeros(1, *report.input))

    assert report.params == sum(parameter.numel() for parameter in net.parameters())
    assert report.buffers == sum(buffer.numel() for buffer in net.buffers())
    assert report.macs == counter.get_total_flops() // 2
    assert report.output.shape == tuple(output.shape[1:])
    claimed = {module_path(layer.id): layer.shape for layer in report.layers[1:]}
    assert claimed == {path: shapes[path] for path in claimed}


@draws(120)
@given(specs(), st.data())
def test_fields_and_memory_are_the_measured_ones(document: SpecDocument, data: st.DataObject) -> None:
    """Start, size, holes, jump, phases of the features, all merges and any layers inside; live and saved bytes."""
    report, net = analyze(document), build(document)
    inner = [layer.id for layer in report.layers[1:]]
    chosen = data.draw(st.lists(st.sampled_from(inner), max_size=3, unique=True), label="layers")
    merges = [layer.id for layer in report.layers if isinstance(layer.layer, Merge)]
    checks = prove(net, report, path_of=module_path, layers=[*merges, *chosen])
    proved = {one.what for one in checks if one.verdict == "proved"}
    assert {"params", "buffers", "macs", "peak bytes", "saved bytes", "shape", "live bytes"} <= proved
    for one in checks:  # what is not proved has too many phases to measure each, or no number at all
        many = one.verdict == "not proved" and ("its units have" in one.reason or "it is unknown" in one.reason)
        assert one.verdict == "proved" or many, one
    features = report.features
    if len(features.shape) == 3 and features.id != "input" and features.is_proven and features.field.has_position:
        of_features = {one.what for one in checks if one.layer == features.id}
        assert {"receptive_field"} <= of_features


@draws(100)
@given(specs())
def test_a_spec_survives_every_format(document: SpecDocument) -> None:
    """``loads(dump(s)) == s`` as YAML, JSON and plain data, in its author's words and in its canonical form."""
    spec = load(document)
    for canonical in (False, True):
        assert load(dump(spec, format="dict", canonical=canonical)) == spec
        assert loads(dump(spec, format="yaml", canonical=canonical)) == spec
        assert loads(dump(spec, format="json", canonical=canonical)) == spec
    assert spec.to_dict() == document


@draws(100)
@given(specs())
def test_the_canonical_form_is_final(document: SpecDocument) -> None:
    """Loading it gives it again, the same hash, and the same graph of layers."""
    spec = load(document)
    canonical = spec.canonical()
    again = load(canonical)
    assert again.canonical() == canonical
    assert again.hash == spec.hash
    assert [(node.layer, node.inputs, node.shape) for node in again.graph] == [
        (node.layer, node.inputs, node.shape) for node in spec.graph
    ]


@draws(60)
@given(specs())
def test_a_report_is_plain_data(document: SpecDocument) -> None:
    """JSON with every layer in it; a table and a line of CSV for each."""
    report = analyze(document)
    data = json.loads(report.to_json())
    assert (data["params"], data["macs"], data["features"]["id"]) == (report.params, report.macs, report.features.id)
    assert [layer["id"] for layer in data["layers"]] == [layer.id for layer in report.layers]
    assert len(report.to_csv().splitlines()) == len(report.layers)  # a title, and no line for the input
    for layer in report.layers[1:]:
        assert f"| {layer.id} " in report.to_markdown(all_layers=True)


# -- the family of C1C2C3C40 -----------------------------------------------------------------------------------


@draws(40)
@given(c1c2c3c40_family())
def test_what_check_accepts_keeps_its_constraints(document: SpecDocument) -> None:
    """A measured field over 44 and fewer than 200,000 parameters, counted by torch; and the other way round."""
    broken = {verdict.name for verdict in check(document)}
    net = build(document)
    assert ("params" in broken) == (sum(parameter.numel() for parameter in net.parameters()) >= 200_000)
    assert ("receptive_field" in broken) == (min(measured_field(load(document), net)) <= 44)
    assert broken <= {"params", "receptive_field"}  # what the family is made of keeps the rest


@draws(40)
@given(c1c2c3c40_family(strays=True))
def test_what_check_rejects_breaks_what_it_names(document: SpecDocument) -> None:
    """Exactly the constraints that the built network breaks, one without a dilated layer for instance."""
    named = {f"{verdict.name} {verdict.needs}" for verdict in check(document)}
    net = build(document)
    kept = properties_of(net)
    broken = {f"uses {name}" for name in ("depthwise_separable", "dilated", "global_pool") if name not in kept}
    broken |= {"forbids no max_pool"} if "max_pool" in kept else set()
    broken |= {"params < 200,000"} if sum(p.numel() for p in net.parameters()) >= 200_000 else set()
    broken |= {"receptive_field > 44"} if min(measured_field(load(document), net)) <= 44 else set()
    assert named == broken


def measured_field(spec: ArchitectureSpec, net: nn.Module) -> tuple[int, int]:
    """The window of one unit of the trunk's last map, by its gradient on 224 pixels; the family's largest is 167."""
    last = module_path(spec.items[-1].id)
    axes = measure_fields(net.eval(), spec.input, {last: 1}, at_least=(224, 224), step=(8, 8))[last]
    height, width = (units.windows[0][-1] - units.windows[0][0] + 1 for units in axes)
    return height, width


def properties_of(net: nn.Module) -> set[str]:
    """What the modules of a network are, in the order in which they run."""
    found = set()
    before: nn.Module | None = None  # the convolution or pooling before
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            if max(module.dilation) > 1 and max(module.kernel_size) > 1:
                found.add("dilated")
            pointwise = module.kernel_size == (1, 1) and module.groups == 1
            if pointwise and isinstance(before, nn.Conv2d) and before.groups == before.in_channels > 1:
                found.add("depthwise_separable")
            before = module
        elif isinstance(module, nn.MaxPool2d):
            found.add("max_pool")
            before = module
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            found.add("global_pool")
    return found
