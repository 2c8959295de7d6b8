"""Random numbers as a function of their purpose, so that no generator state is ever stored.

Every draw of a run is named by the run's seed and a path such as ("augment", epoch). The same name gives the same
numbers, in any process and whatever was drawn before.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def derive(seed: int, *path: str | int) -> int:
    """Derive a 63-bit seed from a seed and a path.

    Example:
        >>> derive(0, "shuffle", 3) == derive(0, "shuffle", 3), derive(0, "shuffle", 3) == derive(0, "shuffle", 4)
        (True, False)
    """
    text = "/".join(map(str, (seed, *path)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """A numpy generator for a path."""
    return np.random.Generator(np.random.Philox(derive(seed, *path)))


def uniforms(key: int, samples: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1), `count` per sample, that depend only on key and sample: (batch,) -> (batch, count).

    Source:
        Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators" (SplitMix64), OOPSLA 2014.
    Example:
        >>> both, one = uniforms(1, np.array([7, 8]), 2), uniforms(1, np.array([8]), 2)
        >>> bool((both[1] == one[0]).all())
        True
    """
    state = _mix(_mix(samples.astype(np.uint64) + np.uint64(1)) ^ np.uint64(key))
    columns = np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN
    bits: NDArray[np.uint64] = _mix(state[:, None] + columns[None])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer; unsigned arithmetic wraps around."""
    z = z * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
