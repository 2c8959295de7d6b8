"""The built network survives TorchScript, torch.fx, torch.export, torch.compile and ONNX."""

import pickle
import warnings

import pytest
import torch
from specnets import SMALL, every_spec, images, made
from torch import fx

from fieldspec.architectures.spec.spec import ArchitectureSpec


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
