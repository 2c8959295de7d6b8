"""Times of operators, fitted to those that were measured: what they grow with, and what is left over."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fieldspec.analysis.latency.operators import TimedOperator

Floats = NDArray[np.float64]
GRAINS_PER_MS = 10_000  # a time is a whole number of tenths of a microsecond, so that sums of them are exact
LENGTH = 2.0  # of the kernel, in traits: operators nearer than this are alike
NOISE = 0.1  # of a measurement, beside the kernel's 1


@dataclass(frozen=True, slots=True)
class OperatorModel:
    """Operators of one kind: a sum of amounts, no factor below zero, times what operators of similar traits say.

    The sum is fitted by least squares of relative errors; the logarithm of what it misses is a Gaussian process over
    the traits (kernel ridge regression), which falls back to the sum alone far from all that was measured.

    Source:
        Rasmussen, Williams, Gaussian Processes for Machine Learning, 2006, section 2.2.
    """

    factors: tuple[float, ...]  # nanoseconds for each of the amounts
    traits: Floats  # of the operators that were measured, a row each
    weights: Floats  # of each

    @staticmethod
    def fitted(amounts: Floats, traits: Floats, nanoseconds: Floats) -> OperatorModel:
        """Fitted to measured operators, a row each."""
        factors = nonnegative(amounts / nanoseconds[:, None], np.ones(len(nanoseconds)))
        missed = np.log(nanoseconds) - np.log(np.maximum(amounts @ factors, 1.0))
        kernel = _kernel(traits, traits) + NOISE * np.eye(len(traits))
        return OperatorModel(tuple(factors.tolist()), traits, np.linalg.solve(kernel, missed))

    def nanoseconds(self, operator: TimedOperator) -> float:
        """How long an operator takes."""
        base = sum([amount * factor for amount, factor in zip(operator.amounts, self.factors, strict=True)])
        near = _kernel(np.array([operator.traits]), self.traits)[0]
        return max(base, 1.0) * math.exp(float((near * self.weights).sum()))

    def grains(self, operator: TimedOperator) -> int:
        """The same in tenths of a microsecond, at least one."""
        return max(1, round(self.nanoseconds(operator) * GRAINS_PER_MS / 1e6))


def _kernel(one: Floats, other: Floats) -> Floats:
    distance = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=-1)
    kernel: Floats = np.exp(-distance / (2 * LENGTH**2))
    return kernel


def nonnegative(matrix: Floats, target: Floats) -> Floats:
    """Least squares in which no factor is below zero, of few columns: the best of all choices of columns.

    Example:
        >>> nonnegative(np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]]), np.array([3.0, 2.0, 1.0])).tolist()
        [2.0, 0.0]
    """
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-30)
    best, least = np.zeros(matrix.shape[1]), float((target**2).sum())
    for columns in _choices(matrix.shape[1]):
        part = matrix[:, columns] / scale[columns]
        found, *_ = np.linalg.lstsq(part, target, rcond=None)
        missed = float(((part @ found - target) ** 2).sum())
        if found.min() >= 0 and missed < least * (1 - 1e-9):
            best, least = np.zeros(matrix.shape[1]), missed
            best[columns] = np.round(found / scale[columns], 12)
    return best


def _choices(count: int) -> Sequence[list[int]]:
    return [list(chosen) for size in range(1, count + 1) for chosen in combinations(range(count), size)]
