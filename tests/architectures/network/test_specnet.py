"""The built network: paths, counts, the order of its state, copies, devices and types, other sizes."""

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from specnets import SMALL, every_spec, images, made
from torch import nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import ArchitectureSpec
from fieldspec.blocks.errors import FieldspecError


@every_spec
def test_paths_are_node_ids(spec: ArchitectureSpec) -> None:
    """Every node of the spec's layer graph is a module: below `layers`, or of the head."""
    net = made(spec)
    paths = dict(net.named_modules()).keys()
    ids = [node.id for node in spec.graph.nodes[1:]]
    assert {name if name.startswith("head.") else f"layers.{name}" for name in ids} <= paths


@every_spec
def test_counts_and_shapes(spec: ArchitectureSpec) -> None:
    """Parameters, buffers and output are those of the layer graph."""
    net, graph = made(spec), spec.graph
    assert sum(p.numel() for p in net.parameters()) == sum(node.layer.params for node in graph)
    assert sum(b.numel() for b in net.buffers()) == sum(node.layer.buffers for node in graph)
    assert tuple(net(images(net)).shape[1:]) == graph.nodes[graph.output].shape


@every_spec
def test_state_order(spec: ArchitectureSpec) -> None:
    """The state dict stands in the order of the forward pass."""
    order = [node.id if node.id.startswith("head.") else f"layers.{node.id}" for node in spec.graph]
    places = [order.index(name.rpartition(".")[0]) for name in made(spec).state_dict()]
    assert places == sorted(places)


def test_c1c2c3c40() -> None:
    """The catalogue's first network has the seed's figures."""
    net = made("c1c2c3c40")
    assert sum(p.numel() for p in net.parameters()) == 178_178
    assert sum(b.numel() for b in net.buffers()) == 4_450
    assert net.num_features == net.head_hidden_size == 132
    assert [level["reduction"] for level in net.feature_info] == [1, 2, 4, 8]  # 4x4 at jump 4: 8 is declared
    assert [level["num_chs"] for level in net.feature_info] == [32, 32, 64, 132]
    assert net.feature_info[0]["module"] == "layers.inverted_residual1"


def test_generated_code() -> None:
    """The layers are generated code without an interpreter; copies of `repeat` stand in a module of their id."""
    net = made(SMALL)
    assert 's2_1 = getattr(self.s2, "1")(s2_0)' in net.layers.code
    assert isinstance(net.get_submodule("layers.s2.0.sum"), nn.ModuleDict)


@every_spec
def test_forward_parts(spec: ArchitectureSpec) -> None:
    """`forward` is features, then head; widths are the declared ones."""
    net = made(spec)
    features = net.forward_features(images(net))
    assert features.shape[1] == net.num_features
    assert net.forward_head(features, pre_logits=True).shape[1] == net.head_hidden_size
    torch.testing.assert_close(net.forward_head(features), net(images(net)), rtol=0, atol=0)


@every_spec
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))], ids=["copy", "pickle"])
def test_copies(spec: ArchitectureSpec, copied: Any) -> None:
    """deepcopy and pickle keep outputs, order, mode, levels and spec, and the copy still scripts and prunes."""
    net = made(spec)
    other = copied(net)
    torch.testing.assert_close(other(images(net)), net(images(net)), rtol=0, atol=0)
    assert list(other.state_dict()) == list(net.state_dict())
    assert not any(module.training for module in other.modules())
    assert (other.spec, other.feature_info) == (net.spec, net.feature_info)
    torch.jit.script(other)
    other.prune_intermediate_layers([0])
    assert len(other.items) < len(net.items)


@every_spec
def test_bfloat16(spec: ArchitectureSpec) -> None:
    """It runs in bfloat16, made so or turned into it."""
    for net in (made(spec, dtype=torch.bfloat16), made(spec).bfloat16()):
        output = net(images(net).bfloat16())
        assert output.dtype == torch.bfloat16
        assert output.isfinite().all()


@every_spec
def test_meta(spec: ArchitectureSpec) -> None:
    """It is made and run on the meta device, and `init_weights` fills all of what `to_empty` leaves."""
    net = made(spec, device="meta")
    assert net(images(net).to("meta")).is_meta
    net.to_empty(device="cpu")
    for tensor in net.state_dict().values():
        tensor.fill_(math.nan if tensor.is_floating_point() else 7)
    torch.manual_seed(0)
    net.init_weights()
    state = net.state_dict()
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert all(not tensor for name, tensor in state.items() if name.endswith("num_batches_tracked"))
    assert net(images(net)).isfinite().all()


@pytest.mark.parametrize("size", [(64, 64), (65, 96), (160, 70)])
def test_other_sizes(size: tuple[int, int]) -> None:
    """It takes any size from 64 up, beside the spec's own."""
    for spec in ("c1c2c3c40", SMALL):
        net = made(spec)
        assert net(torch.randn(1, 3, *size)).shape == (1, net.num_classes)


def test_unknown_keyword() -> None:
    """A keyword that it does not know is a TypeError."""
    with pytest.raises(TypeError, match="drop_paht_rate"):
        SpecNet(SMALL, drop_paht_rate=0.1)  # type: ignore[call-arg]  # on purpose


def test_bad_spec() -> None:
    """A bad spec is refused with the spec's errors."""
    with pytest.raises(FieldspecError, match="unknown block 'konv'"):
        SpecNet({"input": [3, 8, 8], "layers": [{"konv": {"out": 2}}]})
