"""Checkpoints: safetensors files that contain their spec; nothing in them is ever unpickled."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fieldspec.architectures.network.digest import digest_of
from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import ArchitectureSpec, HeadSpec, load, loads
from fieldspec.blocks.errors import FieldspecError

__all__ = ["load_card", "load_checkpoint", "save_checkpoint", "spec_of"]


def save_checkpoint(path: str | os.PathLike[str], net: SpecNet, *, card: Mapping[str, Any] | None = None) -> None:
    """Write weights, buffers and spec of `net` to a safetensors file, atomically.

    The metadata holds the spec's text (`spec`), its hash (`hash`), the `card` with further facts about the weights
    (classes, mean, std), and a `digest` of all of it. If the head was reset, the spec is written with the new head,
    so that file and spec agree.

    Raises:
        FieldspecError: The network is pruned, has no weights yet (meta device), or the file cannot be written.
    """
    spec = spec_of(net)
    state = {name: tensor.contiguous() for name, tensor in net.state_dict().items()}
    if any(tensor.is_meta for tensor in state.values()):
        raise FieldspecError(
            "the network is on the meta device, without weights; call to_empty(device=) and init_weights() first"
        )
    metadata = {"format": "pt", "fieldspec": "1", "spec": json.dumps(spec.to_dict()), "hash": spec.hash}
    if card:
        metadata["card"] = json.dumps(card)
    metadata["digest"] = _digest(metadata, state)
    path = Path(path)
    if path.is_dir():
        raise FieldspecError(f"{path}: is a folder; give a file name")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(save(state, metadata=metadata))
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise FieldspecError(f"{path}: cannot be written: {_reason(error)}") from None
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(path: str | os.PathLike[str]) -> tuple[ArchitectureSpec, dict[str, Tensor]]:
    """Load spec and state dict of a checkpoint; ``build(spec).load_state_dict(state)`` restores the network.

    Raises:
        FieldspecError: The file is missing, is not a safetensors file, contains no spec or was modified; or
            spec and tensors do not match.
    """
    path = Path(path)
    if not path.is_file():
        raise FieldspecError(f"{path}: {'is a folder' if path.is_dir() else 'no such file'}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (OSError, SafetensorError) as error:
        raise FieldspecError(f"{path}: is not a complete safetensors file: {_reason(error)}") from None
    if "spec" not in metadata or "hash" not in metadata:
        raise FieldspecError(f"{path}: contains no spec; write checkpoints with fieldspec build or save_checkpoint")
    if metadata.get("digest", "") not in ("", _digest(metadata, state)):
        raise FieldspecError(f"{path}: is damaged: its content does not match its digest")
    try:
        spec = loads(metadata["spec"], name=f"the spec in {path.name}")
    except FieldspecError as error:
        raise FieldspecError(f"{path}: {error}") from None
    if spec.hash != metadata["hash"]:
        raise FieldspecError(
            f"{path}: the hash of its spec is {spec.hash[:12]}, but the file says {metadata['hash'][:12]}; "
            "the spec was edited, or read by another version of fieldspec"
        )
    _check_fit(path, spec, state)
    return spec, state


def load_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The card of a checkpoint, with facts about its weights; empty if there is none.

    Raises:
        FieldspecError: The file is not a complete safetensors file, or its card is not JSON.
    """
    try:
        with safe_open(path, framework="pt") as file:
            card: dict[str, Any] = json.loads((file.metadata() or {}).get("card", "{}"))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise FieldspecError(f"{path}: its card cannot be read: {_reason(error)}") from None
    return card


def spec_of(net: SpecNet) -> ArchitectureSpec:
    """The spec of a network in its current state, with its current head.

    Raises:
        FieldspecError: The network is pruned, or has a classifier without pooling, which a spec cannot express.
    """
    if len(net.items) != len(net.spec.items):
        raise FieldspecError("the network is pruned, so its spec no longer describes it; save it before pruning")
    pool: Any = net.head.global_pool.pool_type  # the spec's name, but for timm's prefix `fast`
    pool = "avg" if pool == "fast" else pool.removeprefix("fast")
    own = net.spec.head
    if own and own.pool == "none" and not pool:
        pool = "none"
    if net.num_classes and not pool:
        raise FieldspecError("a classifier without pooling has no spec; reset_classifier(n, 'avg') first")
    head = replace(own or HeadSpec(), pool=pool, classes=net.num_classes, dropout=net.drop_rate) if pool else None
    if head == own:
        return net.spec
    document = {key: value for key, value in net.spec.to_dict().items() if key != "head"}
    return load({**document, "head": head.to_dict()} if head else document)


def _check_fit(path: Path, spec: ArchitectureSpec, state: dict[str, Tensor]) -> None:
    """Raise unless names and shapes are those of the spec's network, built on the meta device."""
    expected = {name: tensor.shape for name, tensor in SpecNet(spec, device=torch.device("meta")).state_dict().items()}
    for name in sorted({*expected, *state}):
        given = state[name].shape if name in state else None
        if given != expected.get(name):
            has = "is missing" if given is None else f"is {tuple(given)}"
            needs = f"the spec needs {tuple(expected[name])}" if name in expected else "the spec has no such tensor"
            raise FieldspecError(f"{path}: tensor {name!r} {has}, {needs}")


def _digest(metadata: Mapping[str, str], state: dict[str, Tensor]) -> str:
    texts = [f"{key}={text}" for key, text in sorted(metadata.items()) if key != "digest"]
    return digest_of(texts, state)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error).splitlines()[0]
