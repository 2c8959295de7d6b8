"""The errors of fieldspec: bad input is always one of these, never a bare traceback of our own."""

from __future__ import annotations


class FieldspecError(ValueError):
    """Input that cannot be used; the message says where, what was given, what is needed, and the mend."""


class SettingError(FieldspecError):
    """A setting of a block has a value that the others do not allow; `setting` is the spec's word for it."""

    def __init__(self, setting: str, reason: str) -> None:
        self.setting, self.reason = setting, reason
        super().__init__(f"{setting}: {reason}")


class PlacedError(FieldspecError):
    """Something is wrong at one layer of a graph; `node` is its id, empty while it has none."""

    def __init__(self, reason: str, node: str = "") -> None:
        self.reason, self.node = reason, node
        super().__init__(f"{node}: {reason}" if node else reason)


class ShapeError(PlacedError):
    """A layer does not fit the map it is given."""


class MergeError(PlacedError):
    """Maps of equal shape but different jumps meet, so no unit of the result has one place in the input."""
