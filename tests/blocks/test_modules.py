"""Torch modules of block trees: what they compute, count and are called, and what they survive."""

import copy
import io
import pickle
import warnings
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from fieldspec.blocks import (
    IDENTITY,
    Block,
    Chain,
    FieldspecError,
    LayerGraph,
    Wired,
    conv,
    conv_transpose,
    dense,
    depthwise_separable,
    head,
    inverted_residual,
    parallel,
    residual,
    squeeze_excite,
)
from fieldspec.blocks import layers as L  # noqa: N812  # many of them, in one table
from fieldspec.blocks.modules import to_module


@dataclass(frozen=True)
class Case:
    """A block and a map that it takes."""

    block: Block
    shape: tuple[int, ...] = (8, 9, 8)


LAYERS: dict[str, Case] = {
    "conv": Case(L.Conv(8, 6, (3, 5), (2, 1), ((1, 1), (2, 2)), (1, 2), bias=True)),
    "conv_depthwise": Case(L.Conv(8, 16, padding=((1, 1), (1, 1)), groups=8)),
    "conv_grouped": Case(L.Conv(8, 12, groups=4)),
    "conv_same_even": Case(L.Conv(8, 6, (4, 2), (1, 1), ((1, 2), (0, 1)))),
    "conv_uneven_strided": Case(L.Conv(8, 6, (3, 3), (2, 2), ((0, 1), (0, 1)), bias=True)),
    "conv_transpose": Case(L.ConvTranspose(8, 4, (3, 3), (2, 2), (1, 1), (1, 1), bias=True)),
    "conv_transpose_grouped": Case(L.ConvTranspose(8, 4, (3, 2), (1, 2), dilation=(2, 1), groups=2)),
    "linear": Case(L.Linear(8, 5), (8,)),
    "linear_bare": Case(L.Linear(8, 5, bias=False), (8,)),
    "batch_norm": Case(L.BatchNorm(8)),
    "layer_norm": Case(L.LayerNorm(8)),
    "group_norm": Case(L.GroupNorm(8, 4)),
    **{str(function): Case(L.Activation(function)) for function in L.FUNCTIONS},
    "dropout": Case(L.Dropout(0.3)),
    "drop_path": Case(L.DropPath(0.3)),
    "identity": Case(L.Identity()),
    "batch_norm_of_a_vector": Case(L.BatchNorm(8, rank=0), (8,)),
    "layer_norm_of_a_vector": Case(L.LayerNorm(8, rank=0), (8,)),
    "scale": Case(L.ChannelScale(8, 0.1)),
    "scale_constant": Case(L.ChannelScale(8, 0.1, trained=False)),
    "pad": Case(L.Pad(((1, 2), (0, 3)))),
    "pad_reflect": Case(L.Pad(((1, 2), (0, 3)), "reflect")),
    "pad_replicate": Case(L.Pad(((1, 2), (0, 3)), "replicate")),
    "pad_channels": Case(L.PadChannels(1, 2)),
    "max_pool": Case(L.Pool("max", (3, 3), (2, 2), (1, 1))),
    "max_pool_ceil": Case(L.Pool("max", (2, 3), (2, 3), ceil_mode=True)),
    "avg_pool": Case(L.Pool("avg", (3, 2), (1, 2), (1, 0))),
    "avg_pool_inside": Case(L.Pool("avg", (3, 2), (1, 2), (1, 1), count_include_pad=False)),
    "leaky_relu": Case(L.Activation("leaky_relu", 0.3)),
    "adaptive_max": Case(L.AdaptivePool("max", (4, 3))),
    "adaptive_avg": Case(L.AdaptivePool("avg", (4, 3))),
    "global_avg": Case(L.GlobalPool("avg")),
    "global_max": Case(L.GlobalPool("max")),
    "global_avgmax": Case(L.GlobalPool("avgmax")),
    "global_catavgmax": Case(L.GlobalPool("catavgmax")),
    "flatten": Case(L.Flatten()),
    "resize_nearest": Case(L.Resize((2, 3))),
    "resize_bilinear": Case(L.Resize(size=(5, 11), mode="bilinear")),
    "space_to_depth": Case(L.SpaceToDepth((2, 2)), (3, 4, 6)),
    "depth_to_space": Case(L.DepthToSpace((2, 2)), (12, 4, 6)),
}

BLOCKS: dict[str, Case] = {
    "conv": Case(conv(8, out_channels=6, kernel_size=4, padding="same", norm="layer", act="gelu", dropout=0.1)),
    "conv_transpose": Case(conv_transpose(8, out_channels=4)),
    "depthwise_separable": Case(depthwise_separable(8, out_channels=6, stride=2)),
    "inverted_residual": Case(
        inverted_residual(8, expand=24, out_channels=8, squeeze_excite={"ratio": 0.25}, dropout=0.1, drop_path=0.1)
    ),
    "projection": Case(inverted_residual(8, expand=24, out_channels=6, shortcut="projection")),
    "residual": Case(residual(8, out_channels=12, stride=2)),
    "bottleneck": Case(residual(8, out_channels=8, middle=4, drop_path=0.2)),
    "squeeze_excite": Case(squeeze_excite(8)),
    "dense": Case(dense(8, growth=4, layers=2, middle=6)),
    "add": Case(parallel(8, merge="add", branches=(conv(8, out_channels=8), IDENTITY, conv(8, out_channels=8)))),
    "multiply": Case(parallel(8, merge="multiply", branches=(IDENTITY, conv(8, out_channels=8), IDENTITY))),
    "concat": Case(parallel(8, merge="concat", branches=(IDENTITY, conv(8, out_channels=4), IDENTITY))),
    "wired": Case(
        Wired(
            (("one", conv(8, out_channels=6)), ("two", conv(6, out_channels=6)), ("sum", L.Add()), ("all", L.Concat())),
            ((0,), (1,), (1, 2), (0, 3, 2)),
        )
    ),
    "head": Case(head(8, pool="catavgmax", classes=5, dropout=0.2)),
    "space_and_depth": Case(Chain((("down", L.SpaceToDepth()), ("up", L.DepthToSpace()))), (3, 4, 6)),
}

CASES = {**{f"layer-{name}": case for name, case in LAYERS.items()}, **BLOCKS}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
traced_and_scripted = pytest.mark.filterwarnings(
    "ignore:The TorchScript type system:UserWarning"
)  # of torch's GraphModule
every_block = pytest.mark.parametrize("case", BLOCKS.values(), ids=BLOCKS.keys())
compiled_layers = {"space_to_depth", "conv_same_even", "global_catavgmax", "layer_norm", "drop_path"}
compiled_cases = {
    **{name: LAYERS[name] for name in sorted(compiled_layers)},
    **{f"b-{n}": c for n, c in BLOCKS.items()},
}
every_compiled = pytest.mark.parametrize("case", compiled_cases.values(), ids=compiled_cases.keys())


def images(case: Case) -> torch.Tensor:
    """Two examples for the block."""
    return torch.randn(2, *case.shape, generator=torch.Generator().manual_seed(0))


def made(case: Case) -> nn.Module:
    """The block's module in eval mode."""
    torch.manual_seed(0)
    return to_module(case.block).eval()


@every_case
def test_shape(case: Case) -> None:
    """The module's output has the shape that the layer graph says."""
    graph = LayerGraph.of(case.block, case.shape)
    assert tuple(made(case)(images(case)).shape[1:]) == graph.nodes[graph.output].shape


@every_case
def test_parameters_and_buffers(case: Case) -> None:
    """Parameters and buffers are as many as the layers say."""
    module, graph = made(case), LayerGraph.of(case.block, case.shape)
    assert sum(p.numel() for p in module.parameters()) == sum(node.layer.params for node in graph)
    assert sum(b.numel() for b in module.buffers()) == sum(node.layer.buffers for node in graph)


@every_case
def test_macs(case: Case) -> None:
    """Multiply-adds are half of what torch's counter sees for one example."""
    graph = LayerGraph.of(case.block, case.shape)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        made(case)(images(case)[:1])
    assert counter.get_total_flops() == 2 * sum(node.layer.macs(graph.inputs(node), node.shape) for node in graph)


@every_block
def test_paths_are_node_ids(case: Case) -> None:
    """Every node of the graph is a module of that path, and every other module only holds or forwards."""
    paths = {path: module for path, module in made(case).named_modules() if path}
    ids = {node.id for node in LayerGraph.of(case.block, case.shape).nodes[1:]}
    root = {case.block.merge.kind} if hasattr(case.block, "merge") else set()  # a merge at the root has no path
    assert ids - root <= paths.keys()
    leaves = [f"{one}." for one in ids if not any(other.startswith(f"{one}.") for other in ids)]
    for path, module in paths.items():
        owner = path.rpartition(".")[0]
        inside = path in ids or owner in ids or path.startswith(tuple(leaves))  # such as the poolings of catavgmax
        assert inside or isinstance(module, nn.Sequential | nn.Identity), path


@every_case
def test_state_is_in_forward_order(case: Case) -> None:
    """The state dict stands in the order of the layer graph."""
    order = [node.id for node in LayerGraph.of(case.block, case.shape)]
    owners = [name.rpartition(".")[0] for name in made(case).state_dict()]
    places = [order.index(owner) for owner in owners if owner]
    assert places == sorted(places)


@every_case
def test_not_in_place(case: Case) -> None:
    """The input is left as it was."""
    x = images(case)
    before = x.clone()
    made(case)(x)
    assert torch.equal(x, before)


@traced_and_scripted
@every_case
def test_script(case: Case) -> None:
    """torch.jit.script compiles it, also as torch.fx has traced it."""
    module, x = nn.Sequential(made(case)), images(case)
    expected = module(x)
    scripted = torch.jit.script(module)
    torch.testing.assert_close(scripted(x), expected)
    torch.testing.assert_close(torch.jit.script(fx.symbolic_trace(module))(x), expected)


def test_script_tells_orders_apart() -> None:
    """Chains of the same modules in another order, scripted one after the other, give what they do unscripted."""
    x = torch.randn(1, 3, 8, 8)
    for order in (("conv", "norm", "act"), ("norm", "act", "conv"), ("conv", "norm", "act")):
        net = conv(3, out_channels=3, order=order).module().eval()
        torch.testing.assert_close(torch.jit.script(net)(x), net(x), rtol=0, atol=0)


@every_case
def test_fx(case: Case) -> None:
    """Plain torch.fx traces it in both modes, and the traced module pickles."""
    module, x = nn.Sequential(made(case)), images(case)  # one of torch's own is never traced into
    traced = fx.symbolic_trace(module)
    torch.testing.assert_close(traced(x), module(x))
    torch.testing.assert_close(pickle.loads(pickle.dumps(traced))(x), module(x))
    assert fx.symbolic_trace(module.train())(x).shape == module(x).shape


@every_compiled
def test_export(case: Case) -> None:
    """torch.export takes it whole."""
    module, x = made(case), images(case)
    torch.testing.assert_close(torch.export.export(module, (x,)).module()(x), module(x))


@every_compiled
def test_compile(case: Case) -> None:
    """torch.compile takes it without a graph break, in both modes."""
    module, x = made(case), images(case)
    torch.compiler.reset()
    torch.testing.assert_close(torch.compile(module, backend="eager", fullgraph=True)(x), module(x))
    torch.compile(module.train(), backend="eager", fullgraph=True)(x)


@every_case
def test_copies(case: Case) -> None:
    """deepcopy, pickle and torch.save keep what it computes."""
    module, x = made(case), images(case)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(file, weights_only=False)):
        torch.testing.assert_close(other(x), module(x))


@every_case
def test_factory(case: Case) -> None:
    """Device and dtype reach every tensor, and the meta device runs it."""
    module = to_module(case.block, device="meta", dtype=torch.bfloat16)
    tensors = [t for t in module.state_dict().values() if t.is_floating_point()]
    assert all(tensor.is_meta and tensor.dtype == torch.bfloat16 for tensor in tensors)
    assert module(images(case).bfloat16().to("meta")).is_meta


@every_block
def test_gradients(case: Case) -> None:
    """Every parameter gets a gradient."""
    module, x = made(case).train(), images(case).requires_grad_()
    module(x).square().sum().backward()
    assert all(tensor.grad is not None for tensor in (x, *module.parameters()))


@every_block
def test_grad_checkpointing(case: Case) -> None:
    """Recomputing in the backward pass changes no gradient, dropout included."""
    gradients: list[list[Any]] = []
    for enable in (False, True):
        module: Any = made(case).train()
        module.grad_checkpointing = enable
        torch.manual_seed(1)
        x = images(case).requires_grad_()
        module(x).square().sum().backward()
        gradients.append([tensor.grad for tensor in (x, *module.parameters())])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", sorted({"conv", "inverted_residual", "add", "concat", "space_and_depth", "head"}))
def test_onnx(name: str) -> None:
    """ONNX export gives a graph whose reference evaluation agrees."""
    pytest.importorskip("onnxscript")
    from onnx.reference import ReferenceEvaluator

    case = BLOCKS[name]
    module, x = made(case), images(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.onnx's and onnxscript's own deprecations
        program = torch.onnx.export(module, (x,), dynamo=True, verbose=False)
        assert program is not None
        evaluator = ReferenceEvaluator(program.model_proto)
        (output,) = evaluator.run(None, {evaluator.input_names[0]: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(output), module(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (L.Add(), lambda a, b, c: a + b + c),
        (L.Multiply(), lambda a, b, c: a * b * c),
        (L.Concat(), lambda a, b, c: torch.cat((a, b, c), 1)),
    ],
    ids=["add", "multiply", "concat"],
)
def test_merge_of_a_list(layer: L.Merge, expected: Any) -> None:
    """A merge on its own takes a list of tensors, leaves it as it was, and scripts."""
    module, tensors = to_module(layer), [torch.randn(2, 4, 3, 3) for _ in range(3)]
    torch.testing.assert_close(module(tensors), expected(*tensors))
    torch.testing.assert_close(torch.jit.script(module)(tensors), expected(*tensors))
    assert len(tensors) == 3


def test_same_is_torchs() -> None:
    """Padding `same` of an even kernel is torch's: one more after than before."""
    module = to_module(conv(3, out_channels=4, kernel_size=4, padding="same", norm="none", act="none"))
    x, state = torch.randn(1, 3, 7, 6), module.state_dict()
    assert list(state) == ["conv.weight", "conv.bias"]
    reference = nn.Conv2d(3, 4, 4, padding="same")
    reference.load_state_dict({"weight": state["conv.weight"], "bias": state["conv.bias"]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that it copies the input for uneven padding
        torch.testing.assert_close(module(x), reference(x))


def test_pixel_order() -> None:
    """Space-to-depth and depth-to-space order channels as torch's pixel_unshuffle and pixel_shuffle do."""
    x = torch.randn(2, 12, 4, 6)
    torch.testing.assert_close(to_module(L.SpaceToDepth((2, 2)))(x), F.pixel_unshuffle(x, 2), rtol=0, atol=0)
    torch.testing.assert_close(to_module(L.DepthToSpace((2, 2)))(x), F.pixel_shuffle(x, 2), rtol=0, atol=0)


@pytest.mark.parametrize("name", ["train", "items", "if", "append", "graph"])
def test_taken_names(name: str) -> None:
    """A name that would hide a method of torch's modules, or a word of Python, is refused."""
    with pytest.raises(FieldspecError, match=f"'{name}' is reserved by Python or torch.nn.Module"):
        to_module(Chain(((name, L.Identity()),)))


def test_no_block() -> None:
    """What is no block is refused with its repr."""
    with pytest.raises(FieldspecError, match="'conv' has no torch module"):
        to_module("conv")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize(
    ("norm", "eps", "momentum"),
    [
        ("batch", 1e-5, 0.1),
        ({"batch": {"eps": 1e-3}}, 1e-3, 0.1),
        ({"batch": {"momentum": 0.01}}, 1e-5, 0.01),
        ({"layer": {"eps": 1e-5}}, 1e-5, None),
        ("layer", 1e-6, None),
        ({"group": {"groups": 4, "eps": 0.1}}, 0.1, None),
        ({"group": 2}, 1e-5, None),
    ],
)
def test_norm_options(norm: Any, eps: float, momentum: float | None) -> None:
    """What a spec says of eps and momentum reaches the module, and the defaults are torch's (timm's for layer norm)."""
    module: Any = conv(3, out_channels=8, norm=norm).module()
    assert module.norm.eps == eps
    assert getattr(module.norm, "momentum", None) == momentum


def test_every_activation_has_a_module() -> None:
    """And its parameters are those that it claims."""
    for function in L.FUNCTIONS:
        module = L.Activation(function).module()
        assert module(torch.randn(2, 3, 4, 4)).shape == (2, 3, 4, 4)
        assert sum(parameter.numel() for parameter in module.parameters()) == L.Activation(function).params
