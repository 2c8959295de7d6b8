"""The state of a run: everything comes back as it was, nothing is unpickled, nothing is half written."""

from __future__ import annotations

from pathlib import Path, PosixPath
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import read_json, sweep, write, write_csv, write_json
from fieldspec.training.folder.state import SafeState

STATE: dict[str, Any] = {
    "epoch": 3,
    "lr": 0.1,
    "none": None,
    "flag": True,
    "name": "x",
    "state_dict": {"a.b": torch.arange(4.0), "a": {"b": torch.tensor(5)}},
    "optimizer_states": [{"state": {0: {"momentum_buffer": torch.randn(2, 3)}}, "param_groups": [{"params": [0, 1]}]}],
    "betas": (0.9, 0.999),
    "empty": {"dict": {}, "list": [], "tuple": (), "tensor": torch.empty(0, 3)},
}


def assert_same(one: Any, other: Any) -> None:
    """Values, their types, and the types of keys."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
        assert one.stride() == other.stride()
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def test_round_trip(tmp_path: Path) -> None:
    """Whole numbers as keys, tuples, dots in keys, memory layouts, bfloat16, shared tensors."""
    shared = torch.randn(3)
    images = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    state = {**STATE, "images": images, "half": torch.randn(3).bfloat16(), "one": shared, "two": shared}
    SafeState().save_checkpoint(state, tmp_path / "s")
    assert_same(SafeState().load_checkpoint(tmp_path / "s"), state)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    SafeState().remove_checkpoint(tmp_path / "s")
    assert not list(tmp_path.iterdir())


def test_what_it_does_not_hold(tmp_path: Path) -> None:
    """An object of some class is a mistake of ours, and names its place."""
    with pytest.raises(TypeError, match=r"callbacks\.mine is a PosixPath, which a state cannot contain"):
        SafeState().save_checkpoint({"callbacks": {"mine": PosixPath()}}, tmp_path / "s")


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9, 0.999])
def test_a_flipped_bit(place: float, tmp_path: Path) -> None:
    """Anywhere in the file: it is not resumed from."""
    SafeState().save_checkpoint({**STATE, "large": torch.randn(500)}, tmp_path / "s")
    content = bytearray((tmp_path / "s").read_bytes())
    content[int(place * len(content))] ^= 1
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(FieldspecError, match=r"s: is (damaged|not a complete run state)"):
        SafeState().load_checkpoint(tmp_path / "s")


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_cut_off(length: int, tmp_path: Path) -> None:
    """A file that ends early anywhere."""
    SafeState().save_checkpoint(STATE, tmp_path / "s")
    (tmp_path / "s").write_bytes((tmp_path / "s").read_bytes()[:length])
    with pytest.raises(FieldspecError, match="is not a complete run state"):
        SafeState().load_checkpoint(tmp_path / "s")


def test_foreign(tmp_path: Path) -> None:
    """Weights alone are no state; a pickle is never read."""
    save_file({"a": torch.zeros(1)}, tmp_path / "w")
    with pytest.raises(FieldspecError, match="contains no run state"):
        SafeState().load_checkpoint(tmp_path / "w")
    torch.save({"state_dict": {}}, tmp_path / "p")
    with pytest.raises(FieldspecError, match="is not a complete run state"):
        SafeState().load_checkpoint(tmp_path / "p")
    save_file({}, tmp_path / "k", metadata={"state": '{"dict": [["a", {"tensor": "0.a", "channels_last": false}]]}'})
    with pytest.raises(FieldspecError, match="is damaged: its content does not match its digest"):
        SafeState().load_checkpoint(tmp_path / "k")


def test_files_are_whole_or_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up in the middle leaves what stood there."""
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    original = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        original(self, content[:1])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(FieldspecError, match=r"a\.json: cannot be written: No space left on device"):
        write_json(path, {"a": 2})
    assert read_json(path) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


def test_files(tmp_path: Path) -> None:
    """CSV with a header, leftovers swept away, bad JSON said to be so."""
    write_csv(tmp_path / "a.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "a.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"
    write(tmp_path / "b.123.part", "half")
    sweep(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]
    with pytest.raises(FieldspecError, match=r"a\.csv: is not valid JSON"):
        read_json(tmp_path / "a.csv")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(FieldspecError, match=r"deep\.json: is not valid JSON"):
        read_json(tmp_path / "deep.json")
    with pytest.raises(FieldspecError, match="nowhere: No such file or directory"):
        read_json(tmp_path / "nowhere")
