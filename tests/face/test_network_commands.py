"""Commands that build a network: `build` and `verify`."""

from __future__ import annotations

import json
from pathlib import Path

from commands import Run
from small_files import SMALL, written

from fieldspec.architectures.spec.spec import loads


def test_build(run: Run) -> None:
    """Writes a checkpoint that carries its spec, and does not overwrite one unasked."""
    from safetensors.torch import load_file

    file = written(SMALL)
    status, out, err = run("build", file)
    assert (status, err) == (0, "")
    assert out == "network.safetensors: network, 250 parameters, initial weights with seed 0\n"
    assert load_file("network.safetensors")["layers.conv1.conv.weight"].shape == (8, 3, 3, 3)
    assert run("build", file) == (
        2,
        "",
        "error: network.safetensors: already exists; use --force to overwrite it, or another --output\n",
    )
    status, out, _ = run("build", file, "--force", "--json")
    assert json.loads(out) == {
        "path": "network.safetensors",
        "name": "network",
        "hash": loads(SMALL).hash,
        "params": 250,
        "seed": 0,
    }
    assert run("build", file, "-o", ".", "--force") == (2, "", "error: .: is a folder; give a file name\n")
    status, _, err = run("build", file, "-o", "no/folder/net.safetensors")
    assert status == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_build_without_enough_memory(run: Run) -> None:
    """The spec is sound, and its weights are a million terabytes."""
    conv = "{conv: {out: 65536, kernel: 4096}}"
    file = written(f"{{input: [3, 4096, 4096], layers: [{conv}, {conv}]}}")
    assert run("build", file) == (2, "", "error: not enough memory for this network\n")


def test_networks_that_cannot_be_had(run: Run) -> None:
    """Somebody's code fails in its own ways; each is one line."""
    Path("boom.py").write_text("def make(**settings):\n    return {}['weights']\n")
    Path("bad.py").write_text("def make(:\n")
    assert run("analyze", "boom:make") == (2, "", "error: boom:make: cannot be created: KeyError('weights')\n")
    for name, said in {
        "bad:make": "error: bad: cannot be imported: SyntaxError(",
        "timm:resnet18,a=[1": "error: 'a=[1': is not a list of settings such as in_chans=1,output_stride=8",
    }.items():
        status, out, err = run("analyze", name)
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert err.startswith(said)


def test_build_is_repeatable(run: Run) -> None:
    """A seed gives the same weights each time, another seed others."""
    from safetensors.torch import load_file

    file = written(SMALL)
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("build", file, "-o", name, "--seed", seed)[0] == 0
    first, again, other = (load_file(name)["layers.conv1.conv.weight"] for name in "abc")
    assert first.equal(again)
    assert not first.equal(other)


def test_verify(run: Run) -> None:
    """Every number is measured; the report is text or JSON."""
    file = written(SMALL)
    refused = "error: --timm checks the whole network at its own input size; remove --layer and --input\n"
    assert run("verify", file, "--timm", "--input", "3x64x64") == (2, "", refused)
    status, out, err = run("verify", file)
    assert (status, err) == (0, "")
    assert "params" in out
    status, out, _ = run("verify", file, "--json")
    assert status == 0
    assert json.loads(out)
