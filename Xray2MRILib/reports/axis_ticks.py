"""Round numbers for the axis of a chart."""

from __future__ import annotations

import math


def round_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from ``low`` to ``high``, at most ``about`` + 1 of them.

    Raises ValueError unless ``low`` < ``high``.
    """
    if not low < high:
        raise ValueError(f"An axis from {low} to {high} has no ticks.")
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(step * place, 10) + 0.0 for place in range(first, last + 1)]


def widen_to_ticks(low: float, high: float, floor: float = -math.inf, ceiling: float = math.inf) -> tuple[float, float]:
    """The range extended to the next round ticks on both sides, no farther than ``floor`` and ``ceiling``."""
    if high - low < 1e-9:
        low, high = low - 0.05 * max(abs(low), 1), high + 0.05 * max(abs(high), 1)
    ticks = round_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high - low
    low, high = (round(step * place, 10) for place in (math.floor(low / step + 1e-6), math.ceil(high / step - 1e-6)))
    return max(low, floor), min(high, ceiling)


def tick_label(value: float) -> str:
    """The number in at most six digits, with a true minus sign."""
    return f"{value:.6g}".replace("-", "−")
