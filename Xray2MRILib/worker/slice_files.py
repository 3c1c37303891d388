"""Files of the finished slices of a running job, which the caller displays during the generation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from .channel import ReportChannel


class SliceFiles:
    """Writes each finished slice of a job to the caller's folder; its name appears only when the file is complete."""

    def __init__(self, channel: ReportChannel, message: dict[str, Any]) -> None:
        self._channel = channel
        self._job = message["job"]
        self.wanted = bool(message.get("slice_folder"))
        self._folder = Path(message.get("slice_folder") or ".")
        self._written: list[Path] = []

    def write(self, event: dict[str, Any]) -> None:
        """Write the ``image`` of a slice event of generation.volume_from_radiograph and report the file."""
        import numpy as np

        from ..volume.writing import volume_grid

        path = self._folder / f"depth_{event['depth_index']:03d}_of_{event['of']:03d}.npy"
        temporary = path.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with open(temporary, "wb") as file:
                np.save(file, np.ascontiguousarray(event["image"], dtype=np.float32), allow_pickle=False)
            os.replace(temporary, path)
        except OSError as error:
            raise InputError(
                f"The slice folder cannot be written: {error.strerror}.",
                code="bad-output",
                hint="Choose another folder.",
            ) from error
        self._written.append(path)
        report = {name: event[name] for name in ("depth_index", "file_index", "of", "u")}
        grid = volume_grid(event["of"], *event["image"].shape)
        self._channel.send("slice", job=self._job, file=str(path), grey_range=[0.0, 1.0], grid=grid, **report)

    def remove(self) -> None:
        """Remove the written files after a failure or a cancellation."""
        for path in self._written:
            path.unlink(missing_ok=True)
