"""The proof of modules that are no spec's: other arrangements, calls, inputs, and what no module returns."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

from fieldspec.analysis import Check, Report, prove, report_of
from fieldspec.analysis.proof.measurements.memory import measure_live_bytes
from fieldspec.analysis.trace import report_of_module
from fieldspec.blocks import LayerGraph
from fieldspec.blocks.graph import Node
from fieldspec.blocks.layers import Activation, Add, Conv, Input, Shape

MAP: Shape = (2, 16, 16)
THREE = Conv(2, 2, padding=((1, 1), (1, 1)), bias=True)


def graph_of(*inputs: Shape) -> LayerGraph:
    """A graph of inputs alone."""
    return LayerGraph([Node(f"input{i or ''}", Input(shape), (), shape) for i, shape in enumerate(inputs)])


def claim(graph: LayerGraph, **ends: int) -> Report:
    """Its report as of a traced module; what each call returned, the last layer the network's own."""
    graph.output = len(graph) - 1
    return report_of(
        graph, module_outputs={"": graph.output, **{key.replace("__", ":"): at for key, at in ends.items()}}
    )


def of(checks: list[Check], layer: str) -> dict[str, Check]:
    """What was checked of a layer."""
    return {check.what: check for check in checks if check.layer == layer}


def open_ones(checks: list[Check]) -> list[str]:
    """What is not proved, but for the memory of training."""
    return [str(check) for check in checks if check.verdict != "proved" and check.what != "saved bytes"]


class Twice(nn.Module):
    """One convolution, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> the same."""
        return self.conv(self.conv(x))  # type: ignore[no-any-return]


def twice() -> Report:
    """Its report: the weights belong to the first call."""
    graph = graph_of(MAP)
    graph.place(THREE, "conv:2", graph.place(THREE, "conv", 0))
    graph.nodes[2].params = 0
    return claim(graph, conv=1, conv__2=2)


def test_each_call_is_measured() -> None:
    """The second call sees 5, under a key of its own; parameters and multiply-adds are those of both."""
    checks = prove(Twice(), twice(), layers=["conv", "conv:2"])
    assert open_ones(checks) == []
    assert of(checks, "conv")["receptive_field"].measured == (3, 3)
    assert of(checks, "conv:2")["receptive_field"].measured == (5, 5)
    assert (of(checks, "conv")["params"].measured, "params" in of(checks, "conv:2")) == (38, False)


def test_one_call_claimed_twice_is_refuted() -> None:
    """A weight that is counted for each call is one too many."""
    report = twice()
    report.graph.nodes[2].params = None
    wrong = prove(Twice(), claim(report.graph, conv=1, conv__2=2))
    assert of(wrong, "conv")["params"].verdict == of(wrong, "")["params"].verdict == "refuted"


class Pair(nn.Module):
    """Two inputs of one grid, joined by a function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Twice (batch, 2, height, width) -> once."""
        return F.relu(self.conv(x) + y)


def test_several_inputs_and_functions() -> None:
    """What a function gives is measured where the network returns it; where nothing does, only if asked for."""
    graph = graph_of(MAP, MAP)
    add = graph.place(Add(), "add", graph.place(THREE, "conv", 0), 1)
    graph.place(Activation("relu"), "relu", add)
    report = claim(graph, conv=2)
    checks = prove(Pair(), report)
    assert open_ones(checks) == []
    assert of(checks, "relu")["receptive_field"].measured == (3, 3)
    assert of(checks, "add") == {}
    asked = of(prove(Pair(), report, layers=["add"]), "add")
    assert {name: (check.verdict, check.reason) for name, check in asked.items()} == {
        "receptive_field": ("not proved", "no module returns it")
    }


class Arranged(nn.Module):
    """A map whose output stands in another order."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order, self.conv = order, nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> channels last, tokens, channels between the axes, or rows among the channels."""
        x = self.conv(x)
        if self.order == "tokens":
            return x.flatten(2).transpose(1, 2)
        if self.order == "channels and places in a row":  # tokens of each channel
            return x.flatten(1)[..., None]
        if self.order == "rows among channels":
            return x.flatten(1, 2)
        return x.permute(0, 2, 3, 1) if self.order == "channels last" else x.permute(0, 2, 1, 3)


def arranged(order: str) -> dict[str, Check]:
    """The checks of the output, claimed as (channels, height, width)."""
    graph = graph_of(MAP)
    graph.place(Activation("relu"), "out", graph.place(THREE, "conv", 0))
    return of(prove(Arranged(order), claim(graph, conv=1), layers=["out"]), "out")


def test_arrangements() -> None:
    """Channels last and tokens hold the claimed map; any other order does not."""
    for order in ("channels last", "tokens"):
        checks = arranged(order)
        assert {check.verdict for check in checks.values()} == {"proved"}
        assert (checks["shape"].measured, checks["receptive_field"].measured) == (MAP, (3, 3))
    between = arranged("channels between")  # as where rows are frames
    assert between["shape"].verdict == "proved"
    assert between["receptive_field"].reason == "no dimension of its 16x2x16 output alone follows axis 0 of the input"
    for order, shape in (("rows among channels", (32, 16)), ("channels and places in a row", (512, 1))):
        other = arranged(order)
        assert (other["shape"].verdict, other["shape"].measured) == ("refuted", shape)


@pytest.mark.parametrize("order", ["channels last", "tokens", "channels and places in a row", "channels between"])
def test_a_trace_says_how_its_tensors_hold_their_maps(order: str) -> None:
    """What a module returns is the traced tensor; the same elements in any other dimensions are refuted."""
    report = report_of_module(nn.Sequential(Arranged(order), nn.Identity()), MAP)
    for other in ("tokens", "channels last", "channels between", "channels and places in a row", "rows among channels"):
        checks = of(prove(nn.Sequential(Arranged(other), nn.Identity()), report, layers=[]), report.output.id)
        assert checks["shape"].verdict == ("proved" if other == order else "refuted")


def test_a_map_that_is_claimed_otherwise_than_it_is_held_is_refuted() -> None:
    """Of as many elements in a tensor of the right sizes, but with its axes in each other's place."""
    net = nn.Sequential(THREE.module(), nn.Flatten(2))
    report = report_of_module(net, (2, 8, 16))
    index = report.module_outputs["1"]
    assert report.returned["1"].sizes == (1, 2, 128)
    report.graph.nodes[index].shape = (2, 16, 8)
    claimed = report_of(report.graph, module_outputs=report.module_outputs, returned=report.returned)
    wrong = prove(net, claimed, layers=[])
    assert [check.what for check in wrong if check.verdict == "refuted"] == ["shape"]


class Masked(nn.Module):
    """How much of a waveform counts is a second input."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(2, 4, 3, padding=1), nn.Conv1d(4, 4, 3, padding=1)

    def forward(self, x: Tensor, length: Tensor) -> Tensor:
        """(batch, 2, time), (batch) -> (batch, 4, time)."""
        x = self.first(x)
        beyond = torch.arange(x.shape[-1], device=x.device) >= length[:, None]
        return torch.sigmoid(self.last(x.masked_fill(beyond[:, None], 0.0)))


def test_another_input_that_is_seen_as_a_whole_is_not_measured_in_the_image() -> None:
    """The mask is whole_input by its length alone; the window in the waveform is proved."""
    size = [(2, 24), ((), "int64")]
    checks = prove(Masked(), report_of_module(Masked(), size))
    assert not [str(check) for check in checks if check.verdict in ("refuted", "failed")]
    fields = {check.what: check for check in checks if check.layer == "sigmoid"}
    assert (fields["receptive_field"].verdict, fields["receptive_field"].measured) == ("proved", (5,))
    assert "another input" in fields["global context"].reason


class Gated(nn.Module):
    """Something before that no rule is for, or behind."""

    def __init__(self, *, behind: bool) -> None:
        super().__init__()
        self.behind, self.conv = behind, nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> the same."""
        x = x if self.behind else x.sort(-1).values
        x = self.conv(x)
        return x.sort(-1).values if self.behind else x


def test_what_comes_behind_does_not_matter() -> None:
    """A layer is measured on what comes before it; what cannot be is told with the function's name."""
    graph = graph_of(MAP)
    graph.place(THREE, "conv", 0)
    report = claim(graph, conv=1)
    good = of(prove(Gated(behind=True), report, layers=["conv"]), "conv")
    assert good["receptive_field"].verdict == "proved"
    bad = of(prove(Gated(behind=False), report, layers=["conv"]), "conv")
    assert bad["receptive_field"].verdict == "not proved"
    assert "sort has no linear counterpart" in bad["receptive_field"].reason


class Tied(nn.Module):
    """Two layers of one weight, and a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.second.weight = self.first.weight
        self.idle = nn.Parameter(torch.zeros(7))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> the same."""
        return self.second(self.first(x))  # type: ignore[no-any-return]


def test_shared_and_unread_weights() -> None:
    """A shared weight counts once, and no layer alone can be asked for it; what nothing reads is told apart."""
    graph = graph_of(MAP)
    graph.place(THREE, "second", graph.place(THREE, "first", 0))
    graph.nodes[2].params = 2
    graph.output = 2
    report = report_of(graph, module_outputs={"": 2, "first": 1, "second": 2}, unread=("idle",))
    checks = prove(Tied(), report)
    assert open_ones(checks) == ["not proved: torchinfo params 40: torchinfo counts 76, but torch 47"]
    assert of(checks, "")["params"].measured == 40
    assert "params" not in of(checks, "second")


class InPlace(nn.Module):
    """Works in place in every way, and asks for the size of its input at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(2, 2, 1), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Any:
        """(batch, 2, height, width) -> the same."""
        y = self.act(self.conv(x))
        y += 1
        y = F.relu(y, inplace=True).mul_(2)
        return F.interpolate(y, size=x.shape[-2:])


def test_live_bytes_are_those_of_nothing_in_place() -> None:
    """Two maps of 4 * 2 * 16 * 16 bytes at every step; a size holds no memory."""
    live = measure_live_bytes(InPlace(), MAP, functions=False)
    assert live == {"": 4096, "input": 2048, "conv": 4096, "act": 4096}


class Skipped(nn.Module):
    """Around a convolution goes what an activation has changed in place by then."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.first, self.second = way, nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.act = nn.ReLU(inplace=way == "module")

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> the same."""
        x = self.first(x)
        if self.way == "function":
            y = F.relu(x, inplace=True)
        elif self.way == "method":
            y = x.relu_()
        else:
            y = self.act(x)
        return torch.add(self.second(y), x)


@pytest.mark.parametrize(("way", "most"), [("module", 4096), ("function", 4096), ("method", 4096), ("none", 6144)])
def test_a_skip_around_an_activation_in_place_is_its_result(way: str, most: int) -> None:
    """One map beside the second convolution's output; two where the activation makes another."""
    live = measure_live_bytes(Skipped(way), MAP, functions=False)
    assert live["second"] == most
    checks = prove(Skipped(way), report_of_module(Skipped(way), MAP), layers=[])
    assert {check.verdict for check in checks if check.what == "live bytes"} == {"proved"}


class Stated(nn.Module):
    """Begins with a state of zeros that is as large as its map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(2, 2, 1), nn.ReLU()

    def forward(self, x: Tensor) -> Any:
        """(batch, 2, height, width) -> the same."""
        state, ones = torch.zeros_like(x), x.new_ones(x.shape)
        y = self.act(self.conv(x))
        return y * state + ones


def test_constants_of_a_maps_size_are_no_activations() -> None:
    """As the report has it: two maps while each layer runs."""
    live = measure_live_bytes(Stated(), MAP, functions=False)
    assert live == {"": 4096, "input": 2048, "conv": 4096, "act": 4096}
    assert not open_ones(prove(Stated(), report_of_module(Stated(), MAP), layers=[]))


def test_a_frozen_part_and_kept_statistics() -> None:
    """Frozen weights are parameters as well, and a norm that uses kept statistics reads no more than its window."""
    net = nn.Sequential(THREE.module(), nn.InstanceNorm2d(2, track_running_stats=True), THREE.module())
    net[0].requires_grad_(False)
    report = report_of_module(net, MAP)
    assert (report.params, report.trainable_params, report.buffers) == (2 * 38, 38, 5)
    assert not open_ones(prove(net, report))


def test_what_torch_compile_wraps_is_measured() -> None:
    """And nothing is compiled for it."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("compiled")

    net: Any = torch.compile(nn.Sequential(THREE.module(), nn.ReLU()), backend=refuse)
    assert not open_ones(prove(net, report_of_module(net, MAP)))


class Unpooled(nn.Module):
    """An encoder and a decoder that share the indices of two poolings, as in SegNet."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3 if n == 0 else 8, 8, 3, padding=1) for n in range(4)])
        self.act = nn.ReLU()
        self.pools = nn.ModuleList([nn.MaxPool2d(kernel, 2, kernel // 2 - 1, return_indices=True) for _ in range(2)])
        self.unpools = nn.ModuleList([nn.MaxUnpool2d(kernel, 2, kernel // 2 - 1) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, 8, height, width)."""
        sizes = []
        indices = []
        for n in range(2):
            x = self.act(self.convs[n](x))
            sizes.append(x.shape[2:])
            x, at = self.pools[n](x)
            indices.append(at)
        for n in (1, 0):
            x = self.unpools[n](self.convs[2 + n](x), indices[n], output_size=sizes[n])
        return x


@pytest.mark.parametrize(("kernel", "size"), [(2, 16), (2, 18), (4, 16)])
def test_indices_are_in_memory_until_they_unpool(kernel: int, size: int) -> None:
    """Eight bytes each, whatever the dtype of the map; every live byte between pooling and unpooling is proved."""
    net = Unpooled(kernel)
    report = report_of_module(net, (3, size, size))
    checks = prove(net, report)
    live = {check.layer: check for check in checks if check.what in ("live bytes", "peak bytes")}
    assert {check.verdict for check in live.values()} == {"proved"}
    assert len(live) == 11  # the peak, and ten calls of modules
    deep = report["convs.3"]  # reads and writes 8 maps of a quarter of the size, and both poolings' indices are held
    maps = 8 * (size // 4) ** 2
    assert (deep.live_elements, deep.live_indices) == (2 * maps, maps + 8 * (size // 2) ** 2)
    assert deep.live_bytes("int8") == 2 * maps + 8 * (maps + 8 * (size // 2) ** 2)


def test_the_peak_with_indices_depends_on_the_dtype() -> None:
    """In int8 the indices outweigh the maps, so that it is reached where they are held."""
    report = report_of_module(Unpooled(2), (3, 16, 16))
    for dtype in ("float64", "float32", "float16", "int8"):
        most = max(report.layers, key=lambda layer: layer.live_bytes(dtype))
        assert report.peak_bytes(dtype) == most.live_bytes(dtype)
        assert report.memory(dtype).peak_layer == most.id
    assert report.memory("float64").peak_layer == "act"
    assert report.memory("int8").peak_layer == "pools.0"


class TwoInputs(nn.Module):
    """A picture and its depth."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, image: Tensor, depth: Tensor) -> Tensor:
        """(batch, 3, 8, 8), (batch, 1, 8, 8) -> (batch, 4, 8, 8)"""
        made: Tensor = self.a(image) + self.b(depth)
        return made


def proved(sizes: Any) -> list[Check]:
    """The proof of two inputs."""
    net = TwoInputs()
    return prove(net, report_of_module(net, sizes))


def test_inputs_by_name_are_measured_as_by_position() -> None:
    """Names in the order of the parameters change no verdict; in another order, live bytes say what prevents them."""
    sizes = {"image": (3, 8, 8), "depth": (1, 8, 8)}
    named = proved(sizes)
    assert list(map(str, named)) == list(map(str, proved(list(sizes.values()))))
    assert {check.verdict for check in named if check.what == "live bytes"} == {"proved"}
    live = [check for check in proved(dict(reversed(sizes.items()))) if check.what == "live bytes"]
    assert live
    assert all("forward pre-hooks" in check.reason for check in live)
