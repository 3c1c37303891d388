"""Where the files that ship with the package lie: models, sample radiographs, anatomy, recipes."""

from __future__ import annotations

from pathlib import Path

from ..errors import ProcessingError


def resource_path(relative: str) -> Path:
    """Absolute path of a shipped resource, e.g. ``"models/compact"``.

    An installed wheel carries ``Resources`` inside the package; a source checkout has it beside the package.
    Raises ProcessingError when neither holds the resource.
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
