"""Rows with the keys of their work: the radiographs are hashed, equal work is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import Xray2MRIError
from ..files.checksums import sha256_of
from ..generation.settings import GenerationSettings
from .content_key import content_key, settings_message
from .radiograph_rows import RadiographRow, Refusal

_READERS = 4


@dataclass(frozen=True)
class KeyedRow:
    """A row, the key of its work and all its settings.

    ``key`` is empty and ``refusal`` set where nothing can be made of the row. ``signature`` identifies the real MRI,
    and is empty without one; ``reference_refusal`` says why it cannot be used.
    """

    row: RadiographRow
    key: str = ""
    settings: dict[str, Any] | None = None
    refusal: Refusal | None = None
    signature: str = ""
    reference_refusal: Refusal | None = None


def key_rows(
    rows: Sequence[RadiographRow],
    settings: GenerationSettings,
    model_sha256: str,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[KeyedRow]:
    """Hash the radiographs and key the rows; a row that repeats an earlier one is refused (code ``duplicate``)."""
    with ThreadPoolExecutor(_READERS) as pool:
        keyed = []
        for row in pool.map(lambda row: _key_row(row, settings, model_sha256), rows):
            keyed.append(row)
            on_progress(len(keyed), len(rows))
    first: dict[str, int] = {}
    for place, item in enumerate(keyed):
        if not item.key:
            continue
        if item.key in first:
            sentence = f"Row {item.row.number} is the same radiograph with the same settings as row {first[item.key]}."
            keyed[place] = replace(item, refusal=Refusal("duplicate", sentence))
        else:
            first[item.key] = item.row.number
    return keyed


def _key_row(row: RadiographRow, settings: GenerationSettings, model_sha256: str) -> KeyedRow:
    if row.refusal is not None:
        return KeyedRow(row, refusal=row.refusal)
    try:
        own = settings_for(row, settings)
    except Xray2MRIError as error:
        return KeyedRow(row, refusal=Refusal.of(error))
    try:
        digest = sha256_of(row.radiograph)
    except OSError as error:
        return KeyedRow(row, refusal=_unreadable(row, error))
    signature, reference_refusal = _sign_reference(row)
    key = content_key(digest, own, model_sha256)
    return KeyedRow(row, key, settings_message(own), None, signature, reference_refusal)


def settings_for(row: RadiographRow, settings: GenerationSettings) -> GenerationSettings:
    """The settings of the cohort with a row's own. Raises InputError when they contradict each other."""
    common = {name: value for name, value in settings_message(settings).items() if value is not None}
    for name, other in (("kl", "kl_grade"), ("roi", "knee")):
        if name in row.own or other in row.own:  # what excludes each other: the row decides
            common.pop(name, None)
            common.pop(other, None)
    return GenerationSettings.from_message({**common, **row.own})


def _unreadable(row: RadiographRow, error: OSError) -> Refusal:
    if isinstance(error, FileNotFoundError):
        return Refusal("missing-file", f"The radiograph of row {row.number} does not exist. Correct the path.")
    reason = error.strerror or type(error).__name__
    return Refusal("unreadable-file", f"The radiograph of row {row.number} cannot be read: {reason}. Check the file.")


def _sign_reference(row: RadiographRow) -> tuple[str, Refusal | None]:
    from .content_key import reference_signature

    if row.reference is None:
        return "", None
    path = Path(row.reference)
    try:
        return reference_signature(path), None
    except OSError:
        return "", Refusal("missing-file", f"The real MRI of row {row.number} cannot be read. Correct the path.")
