"""The inputs of a PyTorch network on the command line: several, by name, the default, and what does not run."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run

TWO = """
import torch
from torch import nn


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, image, depth):
        return self.a(image) + self.b(depth)


def chain():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(9, 8, 3))
"""


@pytest.fixture
def two(run: Run) -> Run:
    """A file with networks in the current folder."""
    Path("two_inputs.py").write_text(TWO, encoding="utf-8")
    return run


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("image=3x32x32,depth=1x32x32", "inputs image 3x32x32, depth 1x32x32"),
        ("3x32x32,1x32x32", "inputs 3x32x32, 1x32x32"),
    ],
)
def test_the_summary_has_every_input(two: Run, given: str, said: str) -> None:
    """With names, where they are given."""
    status, out, _ = two("analyze", "two_inputs:Two", "--input", given)
    assert status == 0
    assert f"\n  {said}\n" in out


@pytest.mark.parametrize("command", ["analyze", "verify", "show"])
def test_an_input_that_is_not_given(two: Run, command: str) -> None:
    """The default is said to be one, and which inputs the network takes by name."""
    status, _, err = two(command, "two_inputs:Two")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: Two does not run on 3x224x224: Two.forward() missing 1 required positional argument")
    assert err.endswith("(3x224x224 is the default; give another input: --input image=CxHxW,depth=CxHxW)\n")


@pytest.mark.parametrize(
    ("network", "given", "said"),
    [
        ("Two", "image=3x8x8,dept=1x8x8", "Two has no input 'dept'. Did you mean 'depth'?"),
        ("Two", "photo=3x8x8,mask=1x8x8", "Two has no input 'photo'."),
        ("chain", "3x8x8", "Sequential does not run on 3x8x8: Invalid channel dimensions in 1"),
    ],
)
def test_inputs_that_do_not_run(two: Run, network: str, given: str, said: str) -> None:
    """An unknown name with the closest one; else torch's reason, without a word on values."""
    assert two("analyze", f"two_inputs:{network}", "--input", given) == (2, "", f"error: {said}\n")


def test_an_unknown_name_where_one_dict_is_taken(two: Run) -> None:
    """A network of one parameter may take a dict; where that fails, the name is questioned."""
    _, _, err = two("analyze", "two_inputs:chain", "--input", "inputs=3x8x8")
    assert err.endswith(" in 0 (no input 'inputs'. Did you mean 'input'? It is given one dict)\n")


def test_what_a_factory_returns_instead(two: Run) -> None:
    """With its article."""
    Path("made.py").write_text("def number():\n    return 3\n", encoding="utf-8")
    assert two("analyze", "made:number") == (2, "", "error: made:number: returns an int, not an nn.Module\n")
