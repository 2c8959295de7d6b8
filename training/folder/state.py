"""The complete state of a run in one safetensors file, tensors and a JSON tree; nothing is ever unpickled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from fieldspec.architectures.network.digest import digest_of
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.folder.files import write

_PLAIN = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class SavedState:
    """The epochs and run of a state, read before resuming from it."""

    epochs: int  # finished epochs
    run: str  # fingerprint of its run


def read_state(path: Path) -> SavedState:
    """Read and check the state of a run.

    Raises:
        FieldspecError: It is damaged, or not a state written by fieldspec.
    """
    state = SafeState().load_checkpoint(path)
    try:
        return SavedState(int(state["epoch"]) + 1, str(state["callbacks"]["EpochFiles"]["run"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise FieldspecError(f"{path}: is not a complete run state: it does not name its run") from None


class SafeState(CheckpointIO):
    """Saves Lightning's checkpoints (weights, optimizers, schedulers, loops, callbacks) as safetensors."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint atomically.

        Raises:
            FieldspecError: It cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        tree = json.dumps(_pack(checkpoint, "", tensors))
        metadata = {"format": "pt", "state": tree, "digest": digest_of([tree], tensors)}
        write(Path(path), save(tensors, metadata=metadata))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint and check its digest.

        Raises:
            FieldspecError: It is damaged, or not a state written by fieldspec.
        """
        path = Path(path)
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
            if "state" not in metadata:
                raise FieldspecError(f"{path}: contains no run state")
            whole = metadata.keys() == {"format", "state", "digest"} and metadata["format"] == "pt"
            if not whole or metadata["digest"] != digest_of([metadata["state"]], tensors):
                raise FieldspecError(f"{path}: is damaged: its content does not match its digest")
            state: dict[str, Any] = _unpack(json.loads(metadata["state"]), tensors)
        except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            reason = str(error).splitlines()[0]
            raise FieldspecError(f"{path}: is not a complete run state: {reason}") from None
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Convert to JSON that preserves integer keys, tuples and memory layouts; tensors are collected in `tensors`."""
    match value:
        case Tensor():
            name = f"{len(tensors)}.{path}"  # keys may contain dots; the number makes names unique
            tensors[name] = value.detach().clone(memory_format=torch.contiguous_format)  # also if tied
            last = value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last)
            return {"tensor": name, "channels_last": last}
        case dict():
            return {"dict": [[key, _pack(one, f"{path}.{key}".strip("."), tensors)] for key, one in value.items()]}
        case list() | tuple():
            items = [_pack(one, f"{path}.{number}".strip("."), tensors) for number, one in enumerate(value)]
            return {"tuple" if isinstance(value, tuple) else "list": items}
        case _ if isinstance(value, _PLAIN):
            return value
    raise TypeError(f"{path} is a {type(value).__name__}, which a state cannot contain")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        layout = torch.channels_last if value["channels_last"] else torch.contiguous_format
        return tensors[value["tensor"]].contiguous(memory_format=layout)
    if "dict" in value:
        return {key: _unpack(one, tensors) for key, one in value["dict"]}
    items = [_unpack(one, tensors) for one in value["list" if "list" in value else "tuple"]]
    return items if "list" in value else tuple(items)
