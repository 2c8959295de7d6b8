"""A process that runs one .tflite file for another: a file that crashes the interpreter takes only this one along.

It says what the file says of itself, then answers each batch of images. A frame is an array in numpy's own format; what
went wrong is a frame of text. `python -m fieldspec.export.file.worker FILE`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

MOST_MEMORY = 8 << 30  # bytes of address space: a hostile file may ask for any


def send(stream: BinaryIO, frame: npt.NDArray[np.float32] | npt.NDArray[np.uint8]) -> None:
    """Write an array."""
    np.lib.format.write_array(stream, frame, allow_pickle=False)
    stream.flush()


def receive(stream: BinaryIO) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """Read an array; ValueError where the stream has ended."""
    frame: npt.NDArray[np.float32] = np.lib.format.read_array(stream, allow_pickle=False)
    return frame


def text_frame(text: str) -> npt.NDArray[np.uint8]:
    """Text as an array of bytes."""
    return np.frombuffer(text.encode(), np.uint8)


def serve(path: str, images: BinaryIO, answers: BinaryIO) -> None:
    """Answer until nobody asks any more."""
    from fieldspec.export.engines.litert import LiteRT
    from fieldspec.export.litert.metadata import said_in

    try:
        model = Path(path).read_bytes()
        said = said_in(model)
        engine = LiteRT(model)
        shape = [int(size) for size in engine.inputs["shape"]]
        send(answers, text_frame(json.dumps({"said": said, "shape": shape})))
        while True:
            try:
                batch = receive(images)
            except ValueError:
                return
            send(answers, engine(batch.astype(np.float32)))
    except Exception as error:  # of any kind: the file is a stranger's
        send(answers, text_frame(json.dumps({"error": f"{type(error).__name__}: {error}".splitlines()[0]})))


def main() -> None:
    """Serve the file that is named, over standard input and output."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what an engine prints is no answer
    serve(sys.argv[1], sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
