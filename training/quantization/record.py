"""The record of int8 training: quantization ranges and equalization factors, as plain data for a card."""

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
    """Quantization ranges and equalization exponents of a network on an engine.

    Args:
        ranges: Range of each tensor.
        exponents: By operator index, the exponent for each output channel: it is divided by that power of two, and
            multiplied by it where it is read.
    """

    ranges: tuple[Range, ...]
    exponents: dict[int, tuple[int, ...]]

    @property
    def factors(self) -> dict[int, Tensor]:
        """The exponents as factors: powers of two."""
        return {index: torch.exp2(torch.tensor(powers).double()) for index, powers in self.exponents.items()}

    def to_dict(self) -> dict[str, Any]:
        """Convert to plain data."""
        exponents = {str(index): list(powers) for index, powers in self.exponents.items()}
        return {"ranges": [list(one) for one in self.ranges], "exponents": exponents}

    @classmethod
    def of(cls, said: Mapping[str, Any], lowered: Lowered) -> Int8Record:
        """Convert from plain data, and check it.

        Raises:
            FieldspecError: It is damaged, or belongs to other operators.
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
            raise FieldspecError(f"the int8 record of the weights is damaged: {error}") from None
        if not (fits and sound and len(ranges) == len(lowered.shapes)):
            raise FieldspecError(
                "the int8 record of the weights does not match the operators of this version of fieldspec; "
                "fine-tune again with --quantize int8"
            )
        return cls(ranges, exponents)
