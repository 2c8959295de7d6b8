"""A process that runs one .tflite file for another: a file that crashes the interpreter takes only this one along.

It says what the file says of itself, then answers each batch of images. A frame is an array in numpy's own format; what
went wrong is a frame of text. `python -m fieldspec.export.file.worker FILE`.
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
MAGIC = b"TFL3"  # of a .tflite's format, behind its first four bytes
LONGEST = 1 << 30  # bytes of a frame
MOST_MEMORY = 8 << 30  # bytes of address space: a hostile file may ask for any


def send(stream: IO[bytes], frame: Frame) -> None:
    """Write an array: eight bytes of its length, then numpy's format."""
    packed = BytesIO()
    np.lib.format.write_array(packed, frame, allow_pickle=False)
    stream.write(struct.pack("<Q", packed.tell()))
    stream.write(packed.getbuffer())
    stream.flush()


def receive(stream: IO[bytes]) -> Frame:
    """Read an array; ValueError where the stream has ended, or what comes is none."""
    head = stream.read(8)
    length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
    if not 0 < length <= LONGEST:
        raise ValueError(f"a frame of {length} bytes")
    frame: Frame = np.lib.format.read_array(BytesIO(stream.read(length)), allow_pickle=False)
    return frame


def text_frame(text: str) -> npt.NDArray[np.uint8]:
    """Text as an array of bytes."""
    return np.frombuffer(text.encode(), np.uint8)


def model_in(path: str) -> bytes:
    """The bytes of a .tflite; of anything else, however large, no more than the first eight are read."""
    with Path(path).open("rb") as file:
        head = file.read(8)
        if head[4:] != MAGIC:
            raise ValueError("it is no .tflite: its bytes 4 to 7 are not TFL3")
        return head + file.read()


def reason(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    if isinstance(error, struct.error) or str(error) == "buffer is smaller than requested size":
        return "it is damaged or cut off: parts of it would lie beyond its end"
    return f"{type(error).__name__}: {error}".splitlines()[0].removeprefix("ValueError: ")


def serve(path: str, images: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until nobody asks any more."""
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
    except Exception as error:  # of any kind: the file is a stranger's
        send(answers, text_frame(json.dumps({"error": reason(error)})))


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
