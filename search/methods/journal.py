"""The journal of a search: its finished blocks on disk, for resuming."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fieldspec.blocks.errors import FieldspecError
from fieldspec.search.results.folder import JOURNAL
from fieldspec.search.space.blocks import SearchBlock


class Journal:
    """A JSONL file: one line identifies the search, then one for each finished block. A truncated line is dropped."""

    def __init__(self, folder: Path, question: dict[str, Any]) -> None:
        self.path = folder / JOURNAL
        text = json.dumps(question, sort_keys=True)
        self._head = {"schema": 1, "question": hashlib.sha256(text.encode()).hexdigest()}

    def read(self) -> list[SearchBlock]:
        """Read the finished blocks of this search.

        Raises:
            FieldspecError: The journal belongs to another search.
        """
        if not self.path.is_file():
            return []
        lines = self._lines()
        if not self.is_of_this():
            why = "contains another search (different spec, objectives or method)"
            raise FieldspecError(f"{self.path}: {why}. Give another folder, or remove --resume")
        return [SearchBlock.of(json.loads(line)) for line in lines[1:]]

    def is_of_this(self) -> bool:
        """Whether the journal exists and belongs to this search."""
        lines = self._lines() if self.path.is_file() else []
        return bool(lines) and bool(json.loads(lines[0]) == self._head)

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").split("\n")[:-1]

    def begin(self, blocks: list[SearchBlock]) -> None:
        """Start the journal with the blocks finished so far."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps(one) for one in (self._head, *[block.to_dict() for block in blocks])]
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def add(self, block: SearchBlock) -> None:
        """Append a block."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(block.to_dict()) + "\n")
            file.flush()
