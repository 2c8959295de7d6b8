"""The files that pictures are written to."""

from __future__ import annotations

import os
from pathlib import Path

from fieldspec.blocks.errors import FieldspecError

FORMATS = (".png", ".pdf", ".svg")


def check_picture_file(path: str | os.PathLike[str]) -> None:
    """Raise unless a picture can be written to a file of this name.

    Raises:
        FieldspecError: The name ends in no known format; lists the formats.
    """
    if Path(path).suffix not in FORMATS:
        *most, last = FORMATS
        raise FieldspecError(f"{os.fspath(path)}: needs a name that ends in {', '.join(most)} or {last}")
