"""Checkpoints: what goes into the file comes out of it, and a bad file is a clear error."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fieldspec.architectures.network.builder import build
from fieldspec.architectures.network.checkpoint import load_checkpoint, save_checkpoint, spec_of
from fieldspec.architectures.spec.spec import load
from fieldspec.blocks.errors import FieldspecError

SPEC = {
    "name": "small",
    "input": [3, 16, 16],
    "layers": [{"conv": {"out": 4}}, {"conv": {"out": 6, "stride": 2}}, {"conv": {"out": 8}}],
    "head": {"classes": 5, "dropout": 0.1},
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A checkpoint of SPEC."""
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, build(SPEC))
    return path


def edited(path: Path, **changes: str) -> Path:
    """The same tensors with other metadata, and no digest; a value of '' leaves the key out."""
    with safe_open(path, framework="pt") as file:
        metadata = {**file.metadata(), "digest": "", **changes}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
    save_file(state, path, metadata={key: value for key, value in metadata.items() if value})
    return path


def test_round_trip(tmp_path: Path) -> None:
    """Spec, tensors and what the net computes come back."""
    net = build(SPEC).eval()
    save_checkpoint(tmp_path / "a.safetensors", net)
    spec, state = load_checkpoint(tmp_path / "a.safetensors")
    again = build(spec).eval()
    again.load_state_dict(state)
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(again(x), net(x), rtol=0, atol=0)
    assert spec == load(SPEC)
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]


def test_metadata(path: Path) -> None:
    """The metadata holds the spec's text and hash, for any reader of safetensors."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert json.loads(metadata["spec"]) == SPEC
    assert metadata["hash"] == load(SPEC).hash
    assert metadata["format"] == "pt"


@pytest.mark.parametrize(
    ("classes", "pool", "head"),
    [(7, None, (7, "avg")), (0, None, (0, "avg")), (7, "catavgmax", (7, "catavgmax")), (7, "fastmax", (7, "max"))],
)
def test_reset_head(tmp_path: Path, classes: int, pool: str | None, head: tuple[int, str]) -> None:
    """A head that was reset is written into the spec, and so are other input channels."""
    net = build(SPEC, in_chans=1)
    net.reset_classifier(classes, pool)
    save_checkpoint(tmp_path / "a.safetensors", net)
    spec, state = load_checkpoint(tmp_path / "a.safetensors")
    build(spec).load_state_dict(state)
    assert spec.head is not None
    assert (spec.head.classes, spec.head.pool) == head
    assert spec.head.dropout == 0.1
    assert spec.input == (1, 16, 16)


def test_no_head(tmp_path: Path) -> None:
    """A net that ends in its map has a spec without head."""
    save_checkpoint(tmp_path / "a.safetensors", build(SPEC, num_classes=0, global_pool=""))
    assert load_checkpoint(tmp_path / "a.safetensors")[0].head is None


def test_what_no_spec_says(tmp_path: Path) -> None:
    """A pruned net, a classifier without pooling and a net without weights are refused."""
    pruned = build(SPEC)
    pruned.prune_intermediate_layers([0])
    with pytest.raises(FieldspecError, match="the network is pruned"):
        spec_of(pruned)
    with pytest.raises(FieldspecError, match="a classifier without pooling has no spec"):
        spec_of(build(SPEC, global_pool=""))
    with pytest.raises(FieldspecError, match="the network is on the meta device, without weights"):
        save_checkpoint(tmp_path / "a.safetensors", build(SPEC, device="meta"))


def test_not_writable(tmp_path: Path) -> None:
    """A folder that is not there is a clear error, and leaves nothing behind."""
    with pytest.raises(FieldspecError, match=r"nowhere/a\.safetensors: cannot be written"):
        save_checkpoint(tmp_path / "nowhere" / "a.safetensors", build(SPEC))
    assert not list(tmp_path.iterdir())


def test_no_file(tmp_path: Path) -> None:
    """A missing file and a folder are told apart."""
    with pytest.raises(FieldspecError, match="missing: no such file"):
        load_checkpoint(tmp_path / "missing")
    with pytest.raises(FieldspecError, match="is a folder"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_cut_off(path: Path, length: int) -> None:
    """A file that was cut off anywhere is not a complete safetensors file."""
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(FieldspecError, match="is not a complete safetensors file"):
        load_checkpoint(path)


@pytest.mark.parametrize("part", ["tensors", "card", "spec"])
def test_a_changed_byte(path: Path, part: str) -> None:
    """In a tensor or in what is said of it: the digest does not match."""
    save_checkpoint(path, build(SPEC), card={"classes": ["a", "b", "c", "d", "e"]})
    whole = bytearray(path.read_bytes())
    at = {"tensors": len(whole) - 9, "card": whole.index(b"classes"), "spec": whole.index(b"small")}[part]
    whole[at] ^= 1
    path.write_bytes(whole)
    with pytest.raises(FieldspecError, match="is damaged: its content does not match its digest"):
        load_checkpoint(path)


def test_pickle(tmp_path: Path) -> None:
    """A pickle is never read: it is no safetensors file."""
    torch.save({"state_dict": {}}, tmp_path / "a.pt")
    with pytest.raises(FieldspecError, match="is not a complete safetensors file"):
        load_checkpoint(tmp_path / "a.pt")


def test_hostile_header(tmp_path: Path) -> None:
    """A header that claims to be huge allocates nothing."""
    (tmp_path / "a").write_bytes(struct.pack("<Q", 2**62) + b"{}")
    with pytest.raises(FieldspecError, match="is not a complete safetensors file"):
        load_checkpoint(tmp_path / "a")


def test_foreign(path: Path) -> None:
    """Someone else's safetensors file carries no spec."""
    with pytest.raises(FieldspecError, match="contains no spec"):
        load_checkpoint(edited(path, spec=""))


def test_bad_spec(path: Path) -> None:
    """A spec inside that cannot be loaded names the file and the place."""
    with pytest.raises(FieldspecError, match=r"small\.safetensors: the spec in small\.safetensors:1:"):
        load_checkpoint(edited(path, spec='{"input": [3, 16, 16], "layers": [{"konv": {"out": 4}}]}'))


def test_edited_spec(path: Path) -> None:
    """A spec that no longer matches its hash is refused."""
    with pytest.raises(FieldspecError, match="the hash of its spec is"):
        load_checkpoint(edited(path, spec=json.dumps({**SPEC, "head": {"classes": 6}})))


def test_other_tensors(path: Path) -> None:
    """Tensors that are not those of the spec are named, with both shapes."""
    other = {**SPEC, "head": {"classes": 6, "dropout": 0.1}}
    with pytest.raises(FieldspecError, match=r"tensor 'head\.fc\.bias' is \(5,\), the spec needs \(6,\)"):
        load_checkpoint(edited(path, spec=json.dumps(other), hash=load(other).hash))


def test_missing_tensor(path: Path) -> None:
    """A tensor that is missing, or that the spec does not have, is named."""
    longer = {**SPEC, "layers": [*load(SPEC).to_dict()["layers"], {"conv": {"out": 8}}]}
    with pytest.raises(
        FieldspecError, match=r"'layers\.conv4\.conv\.weight' is missing, the spec needs \(8, 8, 3, 3\)"
    ):
        load_checkpoint(edited(path, spec=json.dumps(longer), hash=load(longer).hash))
    shorter = {**SPEC, "layers": [{"conv": {"out": 8}}], "head": {"classes": 5}}
    with pytest.raises(FieldspecError, match=r"the spec needs|the spec has no such tensor"):
        load_checkpoint(edited(path, spec=json.dumps(shorter), hash=load(shorter).hash))
