"""The file of a pseudo-MRI node, which the worker reads to add slices, to compare or to export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..failure import Failure, JobFailed
from ..translation import tr as _
from .provenance_attributes import get_record, is_intact, is_synthetic
from .volume_nodes import slice_count, write_volume


class VolumeFiles:
    """Remembers the files that the worker wrote, and writes them again for a volume from a saved scene."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, int], Path] = {}

    def remember(self, volume: Any, slices: int, path: str | Path) -> None:
        """Remember the file to which the worker wrote this density of a volume."""
        self._files[volume.GetID(), slices] = Path(path)

    def forgetAll(self) -> None:
        """The scene was closed: IDs will mean other nodes."""
        self._files.clear()

    def path(self, volume: Any, folder: Path) -> Path:
        """The file of the density shown, with its side-car; written into ``folder`` if there is none.

        Raises JobFailed if the voxels are not those that the worker wrote, OSError if nothing can be written.
        """
        if not is_synthetic(volume) or get_record(volume) is None:
            raise JobFailed(
                Failure("not-synthetic", _("This volume was not made by Xray2MRI."), _("Select another one."))
            )
        if not is_intact(volume):
            raise JobFailed(Failure(
                "volume-changed", _("The volume was edited after it had been generated."), _("Generate it again.")
            ))  # fmt: skip
        slices = slice_count(volume)
        known = self._files.get((volume.GetID(), slices))
        if known is not None and known.is_file() and known.with_suffix(".json").is_file():
            return known
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"volume_{slices}.nrrd"
        write_volume(volume, path)
        record = get_record(volume) or {}
        # the scene keeps the shown voxels alone
        record["volume"] = {**record.get("volume", {}), "has_deviation": False, "has_noise_free": False}
        path.with_suffix(".json").write_text(json.dumps(record), encoding="ascii")
        self.remember(volume, slices, path)
        return path
