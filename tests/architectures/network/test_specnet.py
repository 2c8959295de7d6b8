"""The built network against timm's contract, point by point."""

import copy
import math
import pickle
import re
import warnings
from typing import Any

import pytest
import torch
from timm.layers import adaptive_avgmax_pool
from timm.models import group_parameters
from timm.optim import param_groups_layer_decay
from torch import fx, nn

from fieldspec.architectures.network.builder import build, default_cfg
from fieldspec.architectures.network.feature_levels import feature_levels
from fieldspec.architectures.network.specnet import SpecNet, checkpoint_filter_fn
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError

SMALL = {
    "input": [3, 32, 32],
    "layers": [
        {"conv": {"out": 4}},
        {"residual": {"out": 6}, "repeat": 2, "first": {"stride": 2}, "id": "s2"},
        {"conv": {"out": 8, "stride": 2}},
    ],
    "head": {"classes": 5, "dropout": 0.2},
}
UNET = {
    "input": [3, 32, 48],
    "layers": [
        {"conv": {"out": 4}, "id": "top"},
        {"conv": {"out": 6, "stride": 2, "kernel": 4, "padding": "tf"}, "repeat": 2, "id": "down"},
        {"resize": {"scale": 4}, "id": "up"},
        {"concat": {}, "from": ["up", "top"], "id": "meet"},
        {
            "inverted_residual": {"expand": 12, "out": 10, "squeeze_excite": {}, "drop_path": 0.1},
            "id": "mix",
        },
        {"space_to_depth": {}, "id": "pack"},
    ],
}
FLAT = {
    "input": [1, 16, 16],
    "layers": [{"conv": {"out": 4}}, {"global_pool": {}}, {"flatten": {}}, {"linear": {"out": 6}}, {"act": {}}],
}
SPECS: dict[str, Any] = {"c1c2c3c40": "c1c2c3c40", "small": SMALL, "unet": UNET, "flat": FLAT}
every_spec = pytest.mark.parametrize("spec", [load(spec) for spec in SPECS.values()], ids=SPECS.keys())


def made(spec: Any, **settings: Any) -> SpecNet:
    """The net in eval mode, the same weights every time."""
    torch.manual_seed(0)
    return build(spec, **settings).eval()


def images(net: SpecNet, batch: int = 2) -> torch.Tensor:
    """Images of the spec's input size."""
    size = (batch, net.in_chans, *net.spec.input[1:])
    return torch.randn(size, generator=torch.Generator().manual_seed(0))


# --------------------------------------------------------------------------------------------- the module


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
def test_script(spec: ArchitectureSpec) -> None:
    """It scripts, with `forward_intermediates`, in eval and training mode."""
    net = made(spec)
    x, scripted = images(net), torch.jit.script(net)
    torch.testing.assert_close(scripted(x), net(x))
    final, levels = scripted.forward_intermediates(x)
    torch.testing.assert_close(final, net.forward_features(x))
    assert len(levels) == len(net.feature_info)
    assert len(scripted.forward_intermediates(x, [0, -1], intermediates_only=True)) == 2
    assert torch.jit.script(net.train())(x).shape[0] == 2


@every_spec
@pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning")  # of torch's own GraphModule
def test_fx(spec: ArchitectureSpec) -> None:
    """Plain torch.fx traces it, and what it gives scripts and pickles."""
    net = made(spec)
    x, traced = images(net), fx.symbolic_trace(net)
    torch.testing.assert_close(traced(x), net(x))
    torch.testing.assert_close(torch.jit.script(traced)(x), net(x))
    torch.testing.assert_close(pickle.loads(pickle.dumps(traced))(x), net(x))


@every_spec
def test_export(spec: ArchitectureSpec) -> None:
    """torch.export takes it, with any batch size."""
    net = made(spec)
    batch = torch.export.Dim("batch", min=2, max=64)
    exported = torch.export.export(net, (images(net, 3),), dynamic_shapes=({0: batch},)).module()
    torch.testing.assert_close(exported(images(net, 5)), net(images(net, 5)))


@every_spec
def test_compile(spec: ArchitectureSpec) -> None:
    """torch.compile takes it without a graph break, in training too."""
    net = made(spec)
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(net, backend="eager", fullgraph=True)(images(net)), net(images(net)))
    torch.compile(net.train(), backend="aot_eager", fullgraph=True)(images(net)).sum().backward()


def test_onnx() -> None:
    """ONNX export agrees by onnx's reference evaluator."""
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    net = made(SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.onnx's and onnxscript's own deprecations
        program = torch.onnx.export(net, (images(net),), dynamo=True, verbose=False)
        assert program is not None
        evaluator = ReferenceEvaluator(program.model_proto)
        (output,) = evaluator.run(None, {evaluator.input_names[0]: images(net).numpy()})
    torch.testing.assert_close(torch.from_numpy(output), net(images(net)), rtol=1e-4, atol=1e-5)


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


# ----------------------------------------------------------------------------------------------- the head


@pytest.mark.parametrize("pool", ["avg", "max", "avgmax", "catavgmax"])
def test_pooling_is_timms(pool: str) -> None:
    """Every pooling computes what timm's does, and scripts."""
    net = made(SMALL, num_classes=0, global_pool=pool)
    features = net.forward_features(images(net))
    expected = adaptive_avgmax_pool.select_adaptive_pool2d(features, pool, 1).flatten(1)
    torch.testing.assert_close(net(images(net)), expected)
    torch.testing.assert_close(torch.jit.script(net)(images(net)), expected)
    assert net.head_hidden_size == expected.shape[1]


@pytest.mark.parametrize("pool", ["fast", "fastavg", "fastmax", "fastavgmax", "fastcatavgmax"])
def test_fast_pooling(pool: str) -> None:
    """timm's fast poolings agree with the plain ones, with a classifier behind them."""
    plain = made(SMALL, global_pool=pool.removeprefix("fast") or "avg")
    torch.testing.assert_close(made(SMALL, global_pool=pool)(images(plain)), plain(images(plain)))


def test_no_pooling() -> None:
    """Without pooling the map stays; a classifier returns a map of logits, whose mean is the pooled net's."""
    net, pooled = made(SMALL, global_pool=""), made(SMALL)
    net.load_state_dict(pooled.state_dict())
    logits = net(images(net))
    assert logits.shape == (2, 5, 8, 8)
    torch.testing.assert_close(logits.mean((2, 3)), pooled(images(net)))
    torch.testing.assert_close(torch.jit.script(net)(images(net)), logits)
    bare = made(SMALL, num_classes=0, global_pool="")
    assert bare(images(bare)).shape == (2, 8, 8, 8)
    assert bare.head_hidden_size == 8


def test_num_classes() -> None:
    """`num_classes` sets the classifier's width, 0 leaves it out."""
    assert made(SMALL, num_classes=11)(images(made(SMALL))).shape == (2, 11)
    net = made(SMALL, num_classes=0)
    assert net.num_classes == 0
    assert isinstance(net.get_classifier(), nn.Identity)
    assert net(images(net)).shape == (2, net.num_features)


def test_drop_rate() -> None:
    """The head's dropout is the spec's unless given."""
    assert made(SMALL).head.drop.p == made(SMALL).drop_rate == 0.2
    assert made(SMALL, drop_rate=0.5).head.drop.p == 0.5


def test_no_bias() -> None:
    """A head without bias stays so when it is reset."""
    net = made({**SMALL, "head": {"classes": 5, "bias": False}})
    net.reset_classifier(7)
    assert net.get_classifier().bias is None


@pytest.mark.parametrize("pool", ["avg", "max", "catavgmax"])
@pytest.mark.parametrize("training", [True, False])
def test_reset_classifier(pool: str, training: bool) -> None:
    """A reset keeps device, dtype, mode and pool, also from a net without classifier."""
    net = made(SMALL, num_classes=0, global_pool=pool, dtype=torch.bfloat16).train(training)
    net.reset_classifier(7)
    weight = net.get_classifier().weight
    assert weight.dtype == torch.bfloat16
    assert net.head.global_pool.pool_type == pool
    assert {module.training for module in net.head.modules()} == {training}
    assert net.num_classes == 7
    assert net(images(net).bfloat16()).shape == (2, 7)
    on_meta = made(SMALL, device="meta")
    on_meta.reset_classifier(3)
    assert on_meta.get_classifier().weight.is_meta


def test_reset_pooling() -> None:
    """A reset can change the pooling, and the widths follow."""
    net = made(SMALL)
    net.reset_classifier(3, "catavgmax")
    assert (net.head_hidden_size, net.num_features) == (16, 8)
    net.reset_classifier(0, "")
    assert net(images(net)).ndim == 4
    assert net.head_hidden_size == 8


def test_headless() -> None:
    """A spec without head ends in its map; a classifier added to it pools by the mean."""
    net = made(UNET)
    assert net.num_classes == 0
    assert net(images(net)).shape == (2, 40, 16, 24)
    net.reset_classifier(4)
    assert net(images(net)).shape == (2, 4)
    assert made(UNET, num_classes=4)(images(net)).shape == (2, 4)


def test_flat() -> None:
    """Layers that end in a vector take a classifier as they are, and no pooling."""
    net = made(FLAT)
    net.reset_classifier(3)
    assert net(images(net)).shape == (2, 3)
    with pytest.raises(FieldspecError, match="the layers end in a vector, nothing is left to pool"):
        net.reset_classifier(3, "avg")


@pytest.mark.parametrize("channels", [1, 4])
def test_in_chans(channels: int) -> None:
    """Other input channels resize the first layers, and nothing else."""
    net, plain = made(SMALL, in_chans=channels), made(SMALL)
    assert (net.in_chans, net.spec.input[0]) == (channels, channels)
    assert net(images(net)).shape == (2, 5)
    shapes = [{name: t.shape for name, t in each.state_dict().items()} for each in (net, plain)]
    assert [name for name in shapes[0] if shapes[0][name] != shapes[1][name]] == ["layers.conv1.conv.weight"]


# ----------------------------------------------------------------------------------------------- features


@every_spec
def test_feature_info(spec: ArchitectureSpec) -> None:
    """Levels have the declared channels, and timm's own bound on their size; the last is forward_features'."""
    net = made(spec)
    info = net.feature_info
    final, levels = net.forward_intermediates(images(net))
    for level, channels, reduction in zip(levels, info.channels(), info.reduction(), strict=True):
        assert level.shape[1] == channels
        assert all(u <= math.ceil(s / reduction) + 1 for u, s in zip(level.shape[2:], spec.input[1:], strict=False))
    torch.testing.assert_close(final, net.forward_features(images(net)), rtol=0, atol=0)
    if spec.items[-1].tap:  # else they end in a vector, which is no level
        torch.testing.assert_close(levels[-1], final, rtol=0, atol=0)
    paths = dict(net.named_modules())
    assert all(level["module"] in paths for level in net.feature_info)


def test_levels_of_a_decoder() -> None:
    """Each is kept, though reductions fall: of the encoder and of the decoder."""
    levels = feature_levels(load(UNET))
    modules = ["top", "down.0", "down.1", "mix", "pack"]
    assert [(level["module"], level["reduction"]) for level in levels] == [
        (f"layers.{module}", reduction) for module, reduction in zip(modules, [1, 2, 4, 1, 2], strict=True)
    ]


def test_forward_intermediates() -> None:
    """Indices are the last n, a list, or all; other formats than NCHW are refused."""
    net: Any = made("c1c2c3c40")
    x = images(net)
    _, every = net.forward_intermediates(x)
    for indices, expected in ((2, [2, 3]), ([0, -1], [0, 3]), (None, [0, 1, 2, 3])):
        levels = net.forward_intermediates(x, indices, intermediates_only=True)
        assert [level.shape for level in levels] == [every[i].shape for i in expected]
    with pytest.raises(ValueError, match="output_fmt must be NCHW"):
        net.forward_intermediates(x, output_fmt="NLC")
    with pytest.raises(AssertionError, match="out of range"):  # timm's
        net.forward_intermediates(x, [4])


@pytest.mark.parametrize("index", [0, 1, 3, -2])
def test_prune(index: int) -> None:
    """Pruning leaves a usable net that ends in the wanted level, with fewer parameters and no classifier."""
    net: Any = made("c1c2c3c40")
    x = images(net)
    before = sum(p.numel() for p in net.parameters())
    level = net.forward_intermediates(x, intermediates_only=True)[index]
    taken = net.prune_intermediate_layers([index])
    assert taken == [index % 4]
    torch.testing.assert_close(net(x), level, rtol=0, atol=0)
    assert net.num_features == net.head_hidden_size == level.shape[1]
    assert sum(p.numel() for p in net.parameters()) < before
    assert len(net.feature_info) == taken[0] + 1
    net.reset_classifier(3, "avg")
    assert net(x).shape == (2, 3)
    torch.jit.script(net)


def test_prune_other_branches() -> None:
    """Pruning drops what no kept level depends on, also beside the way."""
    layers: list[dict[str, Any]] = [
        {"conv": {"out": 4}, "id": "a"},
        {"conv": {"out": 4}, "id": "b", "from": "a"},
        {"conv": {"out": 6, "stride": 2}, "id": "c", "from": "a", "tap": True},
        {"conv": {"out": 6, "stride": 2}, "id": "d", "from": "b"},
        {"add": {}, "from": ["c", "d"], "id": "e"},
    ]
    net = made({"input": [3, 16, 16], "layers": layers})
    level = net.forward_intermediates(images(net), intermediates_only=True)[0]
    net.prune_intermediate_layers([0])
    assert [item.id for item in net.items] == ["a", "c"]
    torch.testing.assert_close(net(images(net)), level, rtol=0, atol=0)


# ----------------------------------------------------------------------------------------------- training


@every_spec
def test_gradients(spec: ArchitectureSpec) -> None:
    """Every parameter gets a gradient."""
    net = made(spec).train()
    net(images(net)).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@every_spec
def test_grad_checkpointing(spec: ArchitectureSpec) -> None:
    """Checkpointing keeps less between the passes and changes no gradient."""
    gradients, kept = [], []
    for enable in (False, True):
        net = made(spec).train()
        net.set_grad_checkpointing(enable)
        sizes: list[int] = []

        def pack(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            output = net(images(net)).square().mean()
        kept.append(sum(sizes))
        output.backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    torch.testing.assert_close(*gradients)
    assert kept[1] < kept[0]


@every_spec
def test_group_matcher(spec: ArchitectureSpec) -> None:
    """Layer-wise decay has a group an item, coarse one a level, and finds every parameter."""
    net = made(spec)
    fine, coarse = (group_parameters(net, net.group_matcher(coarse)) for coarse in (False, True))
    assert 1 < len(coarse) <= len(fine) or len(fine) > 1
    assert {name for names in fine.values() for name in names} == dict(net.named_parameters()).keys()
    groups = param_groups_layer_decay(net, weight_decay=0.05, no_weight_decay_list=net.no_weight_decay())
    assert len({group["lr_scale"] for group in groups}) == len(fine)


def test_group_of_each_copy() -> None:
    """Copies of `repeat` are groups of their own, and the head is the last."""
    net = made(SMALL)
    groups = group_parameters(net, net.group_matcher())
    owners = [
        {re.sub(r"^(layers\.[a-z]+\d(\.\d+)?|head)\..*", r"\1", name) for name in names} for names in groups.values()
    ]
    assert owners == [{"layers.conv1"}, {"layers.s2.0"}, {"layers.s2.1"}, {"layers.conv2"}, {"head"}]


# ------------------------------------------------------------------------------------------ configuration


@every_spec
def test_default_cfg(spec: ArchitectureSpec) -> None:
    """timm's configuration names real tensors and the true map size."""
    net, cfg = made(spec), default_cfg(spec)
    state = net.state_dict()
    first = cfg["first_conv"]
    assert all(f"{name}.weight" in state for name in ([first] if isinstance(first, str) else first))
    assert not net.num_classes or f"{cfg['classifier']}.weight" in state
    assert cfg["pool_size"] in (tuple(net.forward_features(images(net)).shape[2:]), None)
    assert len(cfg["mean"]) == len(cfg["std"]) == spec.input[0]
    assert cfg["input_size"] == spec.input


def test_first_conv() -> None:
    """All convolutions that read the input count, else the first there is."""
    two: dict[str, Any] = {
        "input": [3, 8, 8],
        "layers": [
            {"conv": {"out": 4}, "id": "a"},
            {"conv": {"out": 4}, "id": "b", "from": "input"},
            {"add": {}, "from": ["a", "b"], "id": "c"},
        ],
    }
    assert default_cfg(load(two))["first_conv"] == ("layers.a.conv", "layers.b.conv")
    packed = {"input": [3, 8, 8], "layers": [{"space_to_depth": {}}, {"conv": {"out": 4}}]}
    assert default_cfg(load(packed))["first_conv"] == "layers.conv1.conv"
    assert default_cfg(load({"input": [3, 8, 8], "layers": [{"act": {}}]}))["first_conv"] is None


@pytest.mark.parametrize("wrapped", [lambda s: s, lambda s: {"state_dict": s}, lambda s: {"model": s, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module."])
def test_checkpoint_filter(wrapped: Any, prefix: str) -> None:
    """State dicts of training checkpoints and of wrapped nets load."""
    net = made(SMALL)
    given = wrapped({f"{prefix}{name}": tensor for name, tensor in net.state_dict().items()})
    net.load_state_dict(checkpoint_filter_fn(given, net))


def test_pruned_to_a_vector() -> None:
    """A level that is a vector has nothing to pool, and takes a classifier."""
    spec = {"input": [1, 16, 16], "layers": [{"conv": {"out": 4, "stride": 4}}, {"flatten": None, "tap": True},
                                             {"linear": {"out": 8}}]}  # fmt: skip
    net = build(spec).eval()
    net.prune_intermediate_layers([0])
    net.reset_classifier(5)
    assert net(torch.zeros(2, 1, 16, 16)).shape == (2, 5)


def test_unknown_pooling() -> None:
    """Named with those that there are."""
    with pytest.raises(FieldspecError, match="global_pool='foo' is not known; give avg, max, avgmax, catavgmax or ''"):
        build("c1c2c3c40", global_pool="foo")
