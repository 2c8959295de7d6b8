"""A .tflite file as a network for prediction and evaluation, run in a separate process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spec.spec import ArchitectureSpec, load
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.file.worker import receive, send
from fieldspec.training.evaluation.trained_networks import TrainedNetwork

PATIENCE = 600.0  # seconds per batch
FOLDER = Path(__file__).parents[1] / "models"


class FileNet(nn.Module):
    """A file as a module, run in a separate process, which may crash without harm.

    Args:
        path: Path of a .tflite file.

    Raises:
        FieldspecError: It is not a .tflite file that LiteRT can run.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        command = [sys.executable, "-m", "fieldspec.export.file.worker", str(path)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._end = weakref.finalize(self, _end, self.process)
        self.told = self._text(self._answer())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_chans, height, width) -> (batch, classes)."""
        assert self.process.stdin is not None
        try:
            send(self.process.stdin, np.ascontiguousarray(x.numpy(), np.float32))
        except BrokenPipeError:
            raise self._crashed() from None
        frame = self._answer()
        if frame.dtype == np.uint8:
            self._text(frame)
        return torch.from_numpy(frame.reshape(len(x), -1))

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        watch = threading.Timer(PATIENCE, self.process.kill)
        watch.start()
        try:
            return receive(self.process.stdout)
        except ValueError:
            raise self._crashed() from None
        finally:
            watch.cancel()

    def _text(self, frame: Any) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(frame.tobytes())
        if "error" in told:
            self.close()
            raise FieldspecError(f"{self.path}: LiteRT cannot run it: {told['error']}")
        return told

    def _crashed(self) -> FieldspecError:
        self.close()
        code = self.process.returncode
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        return FieldspecError(f"{self.path}: LiteRT cannot run it: its process ended with {how}")

    def close(self) -> None:
        """End the process, which also ends when the network is garbage collected."""
        self._end()


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with suppress(BrokenPipeError):  # already ended
            stream.close()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def load_tflite(path: str | Path) -> TrainedNetwork:
    """Load a .tflite file written by fieldspec, with its classes and normalization.

    Args:
        path: Path of the file, or the name of a pretrained one, c1c2c3c40.int8.tflite.

    Raises:
        FieldspecError: There is no such file, fieldspec did not write it, or LiteRT cannot run it.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise FieldspecError(f"{path}: is not a regular file")
    if not path.is_file():
        shipped = {file.name: file for file in FOLDER.glob("*.tflite")}
        if str(path) not in shipped:
            raise FieldspecError(f"{path}: no such file. Pretrained: {', '.join(sorted(shipped))}")
        path = shipped[str(path)]
    net: Any = FileNet(path)
    try:
        said = net.told["said"]
        net.spec = _spec(path, said)
        channels, *sizes = net.spec.input
        if net.told["shape"] != [1, *([1] if len(sizes) == 1 else []), *sizes, channels]:
            raise FieldspecError(f"{path}: its input is {net.told['shape']}, but its spec's is {net.spec.input}")
        mean, std = (tuple(float(one) for one in said[key]) for key in ("mean", "std"))
        classes = tuple(str(one) for one in said["classes"])
        outputs = net(torch.zeros(1, *net.spec.input)).shape[1]
        if not len(classes) == outputs > 0:
            raise FieldspecError(f"{path}: names {len(classes)} classes, but has {outputs} outputs")
    except (KeyError, TypeError, ValueError) as error:
        net.close()
        raise FieldspecError(f"{path}: its metadata is damaged: {error}") from None
    except FieldspecError:
        net.close()
        raise
    return TrainedNetwork(net.spec.name, net, mean, std, classes, str(path), {"classes": list(classes)})


def _spec(path: Path, said: Mapping[str, Any]) -> ArchitectureSpec:
    if "spec" not in said:
        raise FieldspecError(f"{path}: was not written by fieldspec, so its classes and normalization are unknown")
    try:
        return load(dict(said["spec"]))
    except SpecError as error:
        raise FieldspecError(f"{path}: its spec is invalid: {str(error).splitlines()[0]}") from None
