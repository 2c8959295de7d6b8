"""A process that runs a .tflite file for another process, so that a crash of the interpreter affects only this one.

It sends the file's metadata, then the outputs of each batch of images. A frame is an array in numpy's format; an error
is a frame of text. Run as `python -m fieldspec.export.file.worker FILE`.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

Frame: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
MAGIC = b"TFL3"  # file identifier of the .tflite format, after the first four bytes
LONGEST = 1 << 30  # maximum bytes of a frame
MOST_MEMORY = 8 << 30  # maximum bytes of address space, against hostile files


def send(stream: IO[bytes], frame: Frame) -> None:
    """Write an array: its length in eight bytes, then numpy's format."""
    packed = BytesIO()
    np.lib.format.write_array(packed, frame, allow_pickle=False)
    stream.write(struct.pack("<Q", packed.tell()))
    stream.write(packed.getbuffer())
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """Read an array; ValueError at the end of the stream or if it is not an array."""
    head = stream.read(8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 0 < length <= LONGEST:
        raise ValueError(f"a frame of {length} bytes")
    frame: Frame = np.lib.format.read_array(BytesIO(stream.read(length)), allow_pickle=False)
    return frame


def text_frame(text: str) -> npt.NDArray[np.uint8]:
    """Encode text as a uint8 array."""
    return np.frombuffer(text.encode(), np.uint8)


def model_in(path: str) -> bytes:
    """Read a .tflite file; of any other file, only the first eight bytes are read."""
    with Path(path).open("rb") as file:
        head = file.read(8)
        if head[4:] != MAGIC:
            raise ValueError("it is not a .tflite file: its bytes 4 to 7 are not TFL3")
        return head + file.read()


def reason(error: Exception) -> str:
    """The error of a file as one line."""
    if isinstance(error, struct.error) or str(error) == "buffer is smaller than requested size":
        return "it is damaged or truncated: parts of it lie beyond its end"
    return f"{type(error).__name__}: {error}".splitlines()[0].removeprefix("ValueError: ")


def serve(path: str, images: IO[bytes], answers: IO[bytes]) -> None:
    """Serve batches until the input ends."""
    from fieldspec.export.engines.litert import LiteRT
    from fieldspec.export.litert.metadata import said_in

    try:
        model = model_in(path)
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
    except Exception as error:  # of any kind, since the file is untrusted
        send(answers, text_frame(json.dumps({"error": reason(error)})))


def main() -> None:
    """Serve the given file over standard input and output."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps the engine's own output out of the frames
    serve(sys.argv[1], sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
