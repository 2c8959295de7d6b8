"""The errors of fieldspec. Bad input always raises one of these."""

from __future__ import annotations


class FieldspecError(ValueError):
    """Input that cannot be used; the message says where, what was given, what is needed, and how to fix it."""


class SettingError(FieldspecError):
    """A setting of a block has a value that the other settings do not allow; `setting` is its name in a spec."""

    def __init__(self, setting: str, reason: str) -> None:
        self.setting, self.reason = setting, reason
        super().__init__(f"{setting}: {reason}")


class PlacedError(FieldspecError):
    """Something is wrong at a layer of a graph; `node` is its id, empty while it has none."""

    def __init__(self, reason: str, node: str = "") -> None:
        self.reason, self.node = reason, node
        super().__init__(f"{node}: {reason}" if node else reason)


class ShapeError(PlacedError):
    """A layer does not fit its input."""


class MergeError(PlacedError):
    """Maps of equal shape but different jumps meet, so the units of the result have no single position in the input."""
