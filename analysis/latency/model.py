"""Models of operator times, fitted to measurements: what they grow with, and a model of the residual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from fieldspec.analysis.latency.operators import TimedOperator

Floats = NDArray[np.float64]
GRAINS_PER_MS = 10_000  # times are integers, in tenths of a microsecond, so that sums are exact
LENGTH = 2.0  # length scale of the kernel, in units of traits: closer operators are similar
NOISE = 0.1  # of a measurement, relative to the kernel's 1


@dataclass(frozen=True, slots=True)
class OperatorModel:
    """Time of operators of one kind: a nonnegative combination of amounts, times a correction from similar operators.

    The combination is fitted by least squares of relative errors; the log of the residual is a Gaussian process over
    the traits (kernel ridge regression), which falls back to the combination alone far from all measurements.

    Source:
        Rasmussen, Williams, Gaussian Processes for Machine Learning, 2006, section 2.2.
    """

    factors: tuple[float, ...]  # nanoseconds per unit of each amount
    traits: Floats  # of the measured operators, one per row
    weights: Floats  # one per measured operator

    @staticmethod
    def fitted(amounts: Floats, traits: Floats, nanoseconds: Floats) -> OperatorModel:
        """Fit a model to measured operators, one per row."""
        factors = nonnegative(amounts / nanoseconds[:, None], np.ones(len(nanoseconds)))
        missed = np.log(nanoseconds) - np.log(np.maximum(amounts @ factors, 1.0))
        kernel = _kernel(traits, traits) + NOISE * np.eye(len(traits))
        return OperatorModel(tuple(factors.tolist()), traits, np.linalg.solve(kernel, missed))

    def nanoseconds(self, operator: TimedOperator) -> float:
        """Predicted time of an operator."""
        base = sum([amount * factor for amount, factor in zip(operator.amounts, self.factors, strict=True)])
        near = _kernel(np.array([operator.traits]), self.traits)[0]
        return max(base, 1.0) * math.exp(float((near * self.weights).sum()))

    def grains(self, operator: TimedOperator) -> int:
        """Predicted time in tenths of a microsecond, at least one."""
        return max(1, round(self.nanoseconds(operator) * GRAINS_PER_MS / 1e6))


def _kernel(one: Floats, other: Floats) -> Floats:
    distance = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=-1)
    kernel: Floats = np.exp(-distance / (2 * LENGTH**2))
    return kernel


def nonnegative(matrix: Floats, target: Floats) -> Floats:
    """Nonnegative least squares for few columns, by trying all subsets of columns.

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
