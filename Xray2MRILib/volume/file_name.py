"""File extensions of the volumes that the program reads and writes."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError

VOLUME_ENDINGS = (".nrrd", ".nii.gz", ".mha")


def volume_ending(path: Path) -> str:
    """The extension of a volume's file name, one of VOLUME_ENDINGS. Raises InputError for any other."""
    for ending in VOLUME_ENDINGS:
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return ending
    raise InputError(
        f"The output {path.name or str(path)!r} does not have the file extension of a volume.",
        code="bad-output",
        hint=f"End the name with one of {', '.join(VOLUME_ENDINGS)}.",
    )
