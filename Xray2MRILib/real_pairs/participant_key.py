"""Names that do not tell who a participant is, and the part of the data that a participant belongs to.

Keys are salted, because the numbers of a cohort are few enough to try them all. The part depends on the participant's
number and the seed alone: two groups with the same archive split it alike, whatever their salts.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..files.atomic_write import AtomicFiles, writing_error

PARTS = ("training", "validation", "test")
SALT_FILE = "salt.txt"
_DIGITS = 12


def participant_key(participant: str, salt: bytes) -> str:
    """Twelve hexadecimal digits for a participant, the same for every visit and knee."""
    return hmac.new(salt, participant.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def knee_name(participant: str, visit: str, side: str, salt: bytes, *, plain: bool = False) -> str:
    """Name of a pair's file without its ending: participant, visit and side, keyed unless ``plain``."""
    if plain:
        words = (participant, visit, side[0].upper())
        return "knee-" + "-".join("".join(c if c.isalnum() else "_" for c in word) or "0" for word in words)
    key = participant_key(participant, salt)
    return f"knee-{key}-{participant_key(f'{participant} {visit}', salt)[:4]}-{side[0].upper()}"


def part_of(participant: str, shares: Sequence[float], seed: int) -> str:
    """The part ("training", "validation" or "test") of a participant.

    ``shares`` are those of PARTS and add up to 1. A participant is in one part with all knees and visits (A13).
    """
    digest = hashlib.sha256(f"xray2mri split {seed} {participant}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    edge = 0.0
    for part, share in zip(PARTS, shares, strict=True):
        edge += share
        if place < edge:
            return part
    return PARTS[max(k for k, share in enumerate(shares) if share > 0)]  # a sum of shares just below 1


def salt_in(folder: Path) -> bytes:
    """The salt of a private folder, made at the first call. Raises InputError for one that cannot be read."""
    file = folder / SALT_FILE
    try:
        if not file.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            with AtomicFiles() as files:
                draft = files.stage(file)
                draft.write_text(secrets.token_hex(16) + "\n", encoding="ascii")
                draft.chmod(0o600)
        return bytes.fromhex(file.read_text(encoding="ascii").strip())
    except OSError as error:
        raise writing_error(error, file) from None
    except ValueError:
        raise InputError(
            f"The file {file.name} of {folder.name} is not the salt of a prepared cohort.",
            code="bad-salt",
            hint="Restore it, or prepare into a new folder.",
        ) from None
