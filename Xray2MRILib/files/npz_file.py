"""Write one .npz file of arrays: it appears completely or not at all, also when two processes write the same one."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from .atomic_write import writing_error


def write_npz(path: Path, **arrays: Any) -> None:
    """Write arrays by name. Raises ProcessingError when the disk is full, InputError when it is not ours."""
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    try:
        np.savez(temporary, **arrays)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise writing_error(error, path) from error
