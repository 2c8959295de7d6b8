"""What int8 training has learned besides weights: ranges and factors, as plain data for a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fieldspec.analysis.inference.lowering.operators import Lowered
from fieldspec.blocks.errors import FieldspecError
from fieldspec.training.quantization.ranges import Range


@dataclass(frozen=True, slots=True)
class Int8Record:
    """Of one network on one engine.

    Args:
        ranges: Of each tensor.
        exponents: By which powers of two the channels of a tensor are divided where it is made and multiplied where it
            is read; by the operator that makes it.
    """

    ranges: tuple[Range, ...]
    exponents: dict[int, tuple[int, ...]]

    @property
    def factors(self) -> dict[int, Tensor]:
        """The powers."""
        return {index: torch.exp2(torch.tensor(powers).double()) for index, powers in self.exponents.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        exponents = {str(index): list(powers) for index, powers in self.exponents.items()}
        return {"ranges": [list(one) for one in self.ranges], "exponents": exponents}

    @classmethod
    def of(cls, said: Mapping[str, Any], lowered: Lowered) -> Int8Record:
        """Back from plain data.

        Raises:
            FieldspecError: It is damaged, or not of these operators.
        """
        try:
            ranges = tuple((float(low), float(high)) for low, high in said["ranges"])
            exponents = {int(index): tuple(map(int, powers)) for index, powers in said["exponents"].items()}
            fits = all(
                len(powers) == lowered.operators[index].channels and max(map(abs, powers)) <= 16
                for index, powers in exponents.items()
            )
            sound = all(low <= 0 <= high and 0 < high - low < 1e6 for low, high in ranges)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise FieldspecError(f"what the weights say of int8 is damaged: {error}") from None
        if not (fits and sound and len(ranges) == len(lowered.shapes)):
            raise FieldspecError(
                "what the weights say of int8 is of other operators than this version of fieldspec writes; "
                "fine-tune them again with --quantize int8"
            )
        return cls(ranges, exponents)
