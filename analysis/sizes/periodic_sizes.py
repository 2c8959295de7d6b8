"""Sets of sizes that repeat: a few small ones, then an infinite pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PeriodicSizes:
    """Sizes along one axis: a few small ones, then from `start` on those whose remainder by `step` is in `rests`.

    `rests` is empty if no larger size runs, as with flatten and a linear layer: `few` are then all.

    Example:
        >>> sizes = PeriodicSizes((), 140, 16, (12,))                  # the first U-Net's
        >>> 572 in sizes, 573 in sizes, sizes.near(573), str(sizes)
        (True, False, (572, 588), '140, 156, 172, ... (every 16)')
    """

    few: tuple[int, ...]
    start: int
    step: int
    rests: tuple[int, ...]

    def __contains__(self, size: int) -> bool:
        return size in self.few or (size >= self.start and size % self.step in self.rests)

    def near(self, size: int) -> tuple[int | None, int | None]:
        """Nearest sizes below and above, both including `size`; None if there is none."""
        below = next((n for n in range(size, 0, -1) if n in self), None)
        end = max(size, self.start, *self.few, 1) + self.step
        return below, next((n for n in range(size, end + 1) if n in self), None)

    def __str__(self) -> str:
        first = [*self.few, *[n for n in range(self.start, self.start + 3 * self.step) if n in self]]
        if not self.rests:
            return ", ".join(map(str, self.few)) or "none"
        if self.step == 1:
            few = "".join(f"{n}, " for n in self.few)
            return f"{few}{self.start} and more"
        every = f"every {self.step}" if len(self.rests) == 1 else f"{len(self.rests)} of every {self.step}"
        return f"{', '.join(map(str, first[: len(self.few) + 3]))}, ... ({every})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"few": list(self.few), "start": self.start, "step": self.step, "rests": list(self.rests)}
