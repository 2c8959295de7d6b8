"""The weights of a network in that of its spec: the same outputs, and errors that name both places."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from typer.testing import CliRunner

import fieldspec as fs
from fieldspec.architectures.adoption.adoption import to_spec
from fieldspec.architectures.adoption.weights import copy_weights
from fieldspec.architectures.readings import weights_at_hand
from fieldspec.architectures.readings.weights_at_hand import pretrained_settings, weights_text
from fieldspec.architectures.spec.writer import dump
from fieldspec.cli import app


class Gated(nn.Module):
    """A shortcut that runs before the body, and squeeze-excite by linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.around = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8))
        self.body = nn.Sequential(
            nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8),
        )  # fmt: skip
        self.squeeze, self.expand = nn.Linear(8, 2), nn.Linear(2, 8)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width) -> (batch, 5)."""
        x = self.around(x) + self.body(x)
        x = x.relu()
        gate = self.expand(self.squeeze(x.mean((2, 3))).relu()).sigmoid()
        x = x * gate[:, :, None, None]
        y: Tensor = self.fc(x.mean((2, 3)))
        return y


def random(module: nn.Module) -> nn.Module:
    """The same, with random weights and statistics, in eval mode."""
    generator = torch.Generator().manual_seed(1)
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            tensor.data = torch.rand(tensor.shape, generator=generator) + 0.1
        else:
            tensor.fill_(7)
    return module.eval()


def test_the_outputs_are_the_originals() -> None:
    """Weights, statistics and counters, whatever order the branches of a sum run in."""
    net = random(Gated())
    spec = to_spec(net, (4, 12, 12))
    made = fs.build(spec).eval()
    copied = copy_weights(net, made, (4, 12, 12))
    x = torch.randn(3, 4, 12, 12)
    assert torch.allclose(made(x), net(x), atol=1e-4)
    assert copied == len(made.state_dict()) == len(net.state_dict())
    assert all(int(value) == 7 for name, value in made.state_dict().items() if "tracked" in name)
    assert spec.to_dict()["layers"] == [{"residual": {"out": 8}}, {"squeeze_excite": {}}]


def test_what_does_not_fit_is_named_in_both() -> None:
    """One line edited: the layer of the spec, its shapes, the layer that stands in its place, and its shapes."""
    net = Gated()
    text = dump(to_spec(net, (4, 12, 12), prove=False))
    wider = fs.build(fs.loads(text.replace("out: 8", "out: 12")))
    why = r"layers.residual1.sum.body.conv1.conv: needs weights of 12x4x3x3, but body.0 has 8x4x3x3"
    with pytest.raises(fs.FieldspecError, match=why):
        copy_weights(net, wider, (4, 12, 12))
    longer = fs.build(fs.loads(text.replace("classes: 5", "classes: 5, body: [{linear: {out: 8}}]")))
    with pytest.raises(fs.FieldspecError, match=r"head.body.linear1: needs weights of 8x8, 8, but fc has 5x8, 5"):
        copy_weights(net, longer, (4, 12, 12))


def test_the_command_takes_weights_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`show` writes the spec, `build --from` its checkpoint, which has the network's own tensors."""
    monkeypatch.chdir(tmp_path)
    source = """
        import torch
        from torch import nn

        def make():
            torch.manual_seed(3)
            return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    """
    Path("nets_of_test.py").write_text(textwrap.dedent(source), encoding="utf-8")
    runner = CliRunner()
    shown = runner.invoke(app, ["show", "nets_of_test:make", "--input", "1x8x8"])
    assert shown.output.splitlines()[1:] == [
        "name: make",
        "input: [1, 8, 8]",
        "layers:",
        "- conv: {out: 4, padding: 0, norm: none}",
        "head: {classes: 2}",
    ]
    Path("net.yaml").write_text(shown.output, encoding="utf-8")
    built = runner.invoke(app, ["build", "net.yaml", "--from", "nets_of_test:make", "-o", "net.safetensors"])
    assert built.output == "net.safetensors: make, 50 parameters, 4 tensors of nets_of_test:make, as it is made\n"
    _, state = fs.load_checkpoint("net.safetensors")
    torch.manual_seed(3)
    assert torch.equal(state["layers.conv1.conv.weight"], nn.Conv2d(1, 4, 3).weight)


def test_pretrained_weights_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of one's own, by timm's setting, gives the spec's network the outputs of the network that wrote it."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(5)
    net = timm.create_model("test_resnet").eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_var is not None:
            module.running_var.uniform_(0.5, 1.5)
    save_file(net.state_dict(), "own.safetensors")
    runner = CliRunner()
    Path("net.yaml").write_text(runner.invoke(app, ["show", "timm:test_resnet"]).output, encoding="utf-8")
    source = "timm:test_resnet,pretrained=True,pretrained_cfg_overlay={file: own.safetensors}"
    built = runner.invoke(app, ["build", "net.yaml", "--from", source, "-o", "built.safetensors"])
    assert built.output.endswith(f"tensors of {source}, pretrained\n")
    spec, state = fs.load_checkpoint("built.safetensors")
    made = fs.build(spec).eval()
    made.load_state_dict(state)
    x = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(made(x), net(x), rtol=1e-4, atol=1e-4)


def test_weights_that_are_not_at_hand_are_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in torch's folder says that they are."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert pretrained_settings("torchvision:resnet18") == {}
    absent = "randomly initialized: no pretrained file was found locally"
    assert weights_text("torchvision:resnet18") == absent
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").touch()
    assert [*pretrained_settings("torchvision:resnet18")] == ["weights"]
    assert pretrained_settings("torchvision:resnet18,weights=None") == {}
    assert weights_text("torchvision:resnet18") == "pretrained"
    assert weights_text("torchvision:resnet18,weights=None") == "randomly initialized"


def test_random_weights_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file of pretrained weights, `build --from` says what it has copied instead."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(weights_at_hand, "_of_timm", lambda name: {})
    runner = CliRunner()
    Path("net.yaml").write_text(runner.invoke(app, ["show", "timm:test_resnet"]).output, encoding="utf-8")
    built = runner.invoke(app, ["build", "net.yaml", "--from", "timm:test_resnet", "-o", "built.safetensors"])
    assert built.output.endswith(
        "tensors of timm:test_resnet, randomly initialized: no pretrained file was found locally\n"
    )
