"""One number of a report with its measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fieldspec.analysis.proof.linear import Unmeasurable
from fieldspec.blocks.formatting import first_line

ProofStatus = Literal["proved", "refuted", "failed", "not proved"]


@dataclass(frozen=True, slots=True)
class Check:
    """A number of a report, and what was measured on the network."""

    what: str
    layer: str  # empty for the whole network
    claimed: Any
    measured: Any
    verdict: ProofStatus
    reason: str = ""  # why it is not proved

    def __str__(self) -> str:
        at = f"{self.layer}: " if self.layer else ""
        if self.verdict in ("not proved", "failed"):
            return f"not proved: {at}{self.what} {self.claimed}: {self.reason}"
        return f"{self.verdict}: {at}{self.what}: claimed {self.claimed}, measured {self.measured}"


def compared(what: str, layer: str, claimed: Any, measured: Any) -> Check:
    """A check that is proved if both values are equal, else refuted."""
    return Check(what, layer, claimed, measured, "proved" if claimed == measured else "refuted")


def unproved(what: str, layer: str, claimed: Any, error: Exception) -> Check:
    """A check without a measurement, with the exception's reason; an unexpected exception is the network's failure."""
    if isinstance(error, Unmeasurable):
        return Check(what, layer, claimed, None, "not proved", first_line(str(error)))
    return Check(what, layer, claimed, None, "failed", first_line(f"{type(error).__name__}: {error}"))
