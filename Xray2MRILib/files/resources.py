"""Paths of the files that ship with the package: models, sample radiographs, anatomy, recipes."""

from __future__ import annotations

from pathlib import Path

from ..errors import ProcessingError


def resource_path(relative: str) -> Path:
    """Absolute path of a shipped resource, e.g. ``"models/compact"``.

    An installed wheel has ``Resources`` inside the package; a source checkout has it next to the package.
    Raises ProcessingError if neither contains the resource.
    """
    package = Path(__file__).resolve().parents[1]
    for root in (package / "Resources", package.parent / "Resources"):
        candidate = root / relative
        if candidate.exists():
            return candidate
    raise ProcessingError(
        f"The file {relative} that ships with Xray2MRI is missing from this installation.",
        code="missing-resource",
        hint="Install Xray2MRI again.",
    )
