"""How much the property tests draw: the same networks every time, or others where more are asked for.

FIELDSPEC_EXAMPLES=20 draws twenty times as many, at random.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = float(os.environ.get("FIELDSPEC_EXAMPLES", "1"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]  # a draw is a whole network


def draws(number: int) -> settings:
    """So many of them, and times as many as the environment says."""
    return settings(
        max_examples=max(1, int(number * TIMES)),
        deadline=None,
        derandomize=TIMES == 1,
        print_blob=True,
        suppress_health_check=SLOW,
    )
