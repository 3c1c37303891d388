"""From the words of DICOM pixel data to stored values: which bits count, and which values are padding
(PS3.3 C.7.6.3.1.1, C.7.5.1.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .display_window import first_number

_MOSTLY = 0.5  # share of pixels; overlays in spare bits cover less


def stored_values(words: np.ndarray, bits: int, high_bit: int) -> tuple[np.ndarray, list[str]]:
    """The values in the ``bits`` bits up to ``high_bit`` of words [H, W], and sentences about a wrong header.

    A sign is restored. Bits beyond are left out: old files keep overlays there. Values that all fit below count as
    right-aligned whatever the high bit is.
    """
    allocated = 8 * words.dtype.itemsize
    if not np.issubdtype(words.dtype, np.integer) or not 0 < bits < allocated:
        return words, []
    above = allocated - 1 - high_bit
    if high_bit != bits - 1 and _fits(words, bits):
        above = allocated - bits
    values = _cut(words, above, allocated - bits)
    if above == allocated - bits and words.dtype.kind == "u" and np.mean(values != words) > _MOSTLY:
        used = int(words.max()).bit_length()
        return words, [f"BitsStored is {bits}, but the pixels use {used} bits; all of them were taken."]
    return values, []


def _cut(words: np.ndarray, above: int, spare: int) -> np.ndarray:
    shifted = words << words.dtype.type(above)
    return shifted >> words.dtype.type(spare)  # of a signed type this restores the sign as well


def _fits(words: np.ndarray, bits: int) -> bool:
    low = -(1 << (bits - 1)) if words.dtype.kind == "i" else 0
    high = (1 << (bits - 1)) - 1 if words.dtype.kind == "i" else (1 << bits) - 1
    return low <= int(words.min()) and int(words.max()) <= high


def padding_mask(words: np.ndarray, values: np.ndarray, bits: int, dataset: Any) -> np.ndarray | None:
    """Mask [H, W] of the pixels that PixelPaddingValue and its range limit declare to be no picture; None without any.

    The value is read as two's complement when pixels are signed, and compared with the whole words when it does not fit
    into the stored bits.
    """
    ends = [_number(dataset.get(keyword)) for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None or words.ndim != 2:
        return None
    first, last = (_as_pixel(end, words.dtype, bits) for end in (ends[0], ends[0] if ends[1] is None else ends[1]))
    low, high = min(first, last), max(first, last)
    fitting = _range(values.dtype, bits)[0] <= low and high <= _range(values.dtype, bits)[1]
    compared = values if fitting else words
    mask = (compared >= low) & (compared <= high)
    return mask if 0 < mask.mean() < 0.95 else None


def _as_pixel(value: int, kind: np.dtype, bits: int) -> int:
    """The number that a padding value of either sign means among pixels of a type."""
    if not np.issubdtype(kind, np.integer):
        return value
    low, high = _range(kind, 8 * kind.itemsize)
    if kind.kind == "u":
        return value if value >= 0 else value % (1 << bits)
    if _range(kind, bits)[0] <= value <= _range(kind, bits)[1]:
        return value
    if bits < 16 and value < 1 << bits:  # the stored bits alone, without their sign
        return value - (1 << bits)
    return value if low <= value <= min(high, 0x7FFF) else value - 0x10000


def _range(kind: np.dtype, bits: int) -> tuple[float, float]:
    if not np.issubdtype(kind, np.integer):
        return -np.inf, np.inf
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if kind.kind == "i" else (0, (1 << bits) - 1)


def _number(value: Any) -> int | None:
    number = first_number(value)
    return int(number) if number is not None and np.isfinite(number) else None
