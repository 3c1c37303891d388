"""Lookup tables in DICOM headers (PS3.3 C.11.1.1 and C.11.2.1.1): the modality table and the display (VOI) table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class LookupTable(NamedTuple):
    """``entries`` [N] are the outputs for the inputs first, first + 1, ...; inputs beyond take the outermost ones."""

    first: int
    entries: np.ndarray

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Outputs for values [H, W]; fractions are rounded first."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1).astype(np.intp)
        return self.entries[index]


def first_table(dataset: Any, keyword: str, values: np.ndarray) -> LookupTable | None:
    """The first usable table of ModalityLUTSequence or VOILUTSequence for values [H, W]; None when there is none.

    The first input may be written with or without sign, whatever the values are: the reading that meets more of the
    values' range is taken.
    """
    reach = float(values.min()), float(values.max())
    items = dataset.get(keyword)
    little_endian = getattr(dataset, "original_encoding", (None, True))[1] is not False
    for item in items if items is not None and not isinstance(items, (str, bytes)) else ():
        table = _table(item, reach, little_endian)
        if table is not None:
            return table
    return None


def _table(item: Any, reach: tuple[float, float], little_endian: bool) -> LookupTable | None:
    try:
        count, first, bits = (int(number) for number in item.get("LUTDescriptor"))
    except (TypeError, ValueError):
        return None
    count = count % 65536 or 65536
    first = max((first, first - 0x10000, first + 0x10000),
                key=lambda begin: min(reach[1], begin + count) - max(reach[0], begin))  # fmt: skip
    entries = _entries(item.get("LUTData"), count, bits, little_endian)
    return None if entries is None or len(np.unique(entries)) < 2 else LookupTable(first, entries)


def _entries(data: Any, count: int, bits: int, little_endian: bool) -> np.ndarray | None:
    """Entries of 8 bits lie one a byte or one a word: only their number tells."""
    if isinstance(data, (bytes, bytearray)):
        if len(data) >= 2 * count:
            return np.frombuffer(data, "<u2" if little_endian else ">u2", count).astype(np.float32)
        if bits > 8 or len(data) < count:
            return None
        entries = np.frombuffer(data, np.uint8)
        if not little_endian and len(entries) % 2 == 0:  # two entries in every word
            entries = entries.reshape(-1, 2)[:, ::-1].ravel()
        return entries[:count].astype(np.float32)
    try:
        numbers = np.asarray(data, np.int64) % 65536
    except (TypeError, ValueError):
        return None
    if numbers.ndim != 1:
        return None
    if len(numbers) >= count:
        return numbers[:count].astype(np.float32)
    if bits <= 8 and 2 * len(numbers) >= count:
        return numbers.astype("<u2").view(np.uint8)[:count].astype(np.float32)
    return None
