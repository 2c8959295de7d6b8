"""Capture of what C++ engines write to the process's standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def captured_standard_error() -> Iterator[list[str]]:
    """Capture everything written to file descriptor 2; the list contains its lines after the block.

    Example:
        >>> with captured_standard_error() as told:
        ...     _ = os.write(2, b"INFO: Created a delegate.")
        >>> told
        ['INFO: Created a delegate.']
    """
    told: list[str] = []
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield told
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            told.append(file.read().decode(errors="replace"))
