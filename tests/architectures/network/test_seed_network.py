"""The catalogue's c1c2c3c40 is the seed project's network."""

import runpy
from pathlib import Path

import pytest
import torch

import fieldspec as fs

SeedNetwork = runpy.run_path(str(Path(__file__).parents[3] / "benchmarks" / "seed_network.py"))["SeedNetwork"]


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_same_logits_with_tensors_copied_in_order(training: bool) -> None:
    """Rebuilt by hand, with our tensors copied in the order of the forward pass, it gives the same logits."""
    torch.manual_seed(0)
    ours, seed = fs.build("c1c2c3c40"), SeedNetwork()
    for tensor in ours.state_dict().values():  # statistics and scales that differ from their first values
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.uniform_(0.5, 1.5)
    tensors = list(ours.state_dict().values())
    assert [tensor.shape for tensor in tensors] == [tensor.shape for tensor in seed.state_dict().values()]
    seed.load_state_dict(dict(zip(seed.state_dict(), tensors, strict=True)))
    for network in (ours, seed):
        network.train(training)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
    images = torch.randn(4, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), seed(images), atol=1e-5, rtol=1e-5)


def test_same_number_of_parameters_as_the_seed_reports() -> None:
    """178,178 trainable parameters, counted by torch in both."""
    for network in (fs.build("c1c2c3c40"), SeedNetwork()):
        assert sum(parameter.numel() for parameter in network.parameters()) == 178_178


def test_its_dropout_stands_where_the_seed_has_it() -> None:
    """0.1 at the end of the body of the first three blocks, none elsewhere."""
    network = fs.build("c1c2c3c40")
    found = {name: module.p for name, module in network.named_modules() if isinstance(module, torch.nn.Dropout)}
    blocks = {f"layers.inverted_residual{number}.body.project.dropout": 0.1 for number in (1, 2, 3)}
    assert found == {**blocks, "head.drop": 0.0}
