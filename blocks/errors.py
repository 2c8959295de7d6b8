"""The exceptions of fieldspec: invalid input always raises one of these."""

from __future__ import annotations


class FieldspecError(ValueError):
    """Invalid input; the message says where, what was given, what is needed, and how to fix it."""


class InputError(FieldspecError):
    """A module does not run on an input of this size."""


class SettingError(FieldspecError):
    """A setting conflicts with other settings of its block; `setting` is its name in a spec."""

    def __init__(self, setting: str, reason: str) -> None:
        self.setting, self.reason = setting, reason
        super().__init__(f"{setting}: {reason}")


class PlacedError(FieldspecError):
    """An error at a layer of a graph; `node` is the layer's id, empty if it has none."""

    def __init__(self, reason: str, node: str = "") -> None:
        self.reason, self.node = reason, node
        super().__init__(f"{node}: {reason}" if node else reason)


class ShapeError(PlacedError):
    """A layer does not accept its input's shape."""


class MergeError(PlacedError):
    """A merge of equal shapes with different jumps, which leaves the result's units without a position in the input."""
