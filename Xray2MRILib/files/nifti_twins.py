"""A NIfTI file without its twin: the NIfTI library takes the voxels of a neighbour with the same stem.

Asked for ``knee.nii.gz`` it opens ``knee.nii`` where one lies in the folder, and the other way round.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_ENDINGS = (".nii.gz", ".nii", ".hdr.gz", ".hdr", ".img.gz", ".img", ".nia")


@contextlib.contextmanager
def without_twin(path: Path) -> Iterator[Path]:
    """Yield the path of a file, or of a link to it in a folder of its own where a twin would be read instead."""
    ending = next((ending for ending in _ENDINGS if path.name.lower().endswith(ending)), "")
    stem = path.name[: len(path.name) - len(ending)]
    beside = os.listdir(path.parent) if ending else []
    others = [name for name in beside if name.startswith(stem) and name != path.name]
    if not any(name[len(stem) :].lower() in _ENDINGS for name in others):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="xray2mri-") as folder:
        alone = Path(folder) / f"alone{ending}"
        try:
            os.symlink(path.resolve(), alone)
        except OSError:  # links need a privilege on Windows
            shutil.copyfile(path, alone)
        yield alone
