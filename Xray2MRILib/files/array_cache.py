"""Arrays that take long to work out, kept in the user's cache as plain files that all processes map into memory.

A file is named by what it was made of (a digest), written under another name first and never changed afterwards. So a
file that has its name is complete, an outdated one is never read, and processes may begin at the same time: one works
the arrays out, the others wait for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from .process_lock import exclusive

Arrays = Mapping[str, np.ndarray]

_KEPT = 2  # files of one name: that of this version of the program, and of one that was used before
_FREE_BYTES = 1 << 30  # that stay on the disk; with less nothing is kept
_ENDING = ".safetensors"
_ABANDONED_S = 3600.0


def user_cache() -> Path:
    """Folder of what is worked out once and kept: ``XRAY2MRI_CACHE`` or the system's place."""
    given = os.environ.get("XRAY2MRI_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "xray2mri" / "templates"


def digest_of(files: Iterable[Path], words: Iterable[str] = ()) -> str:
    """Twenty hexadecimal digits that change with the name or content of any of the files and with the words."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    for word in words:
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()[:20]


def versions_of(*packages: str) -> list[str]:
    """Names with versions of those packages that are installed."""
    found = []
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{package} {importlib.metadata.version(package)}")
    return found


def kept_path(folder: Path, name: str, digest: str) -> Path:
    """Where the arrays ``name`` lie."""
    return folder / f"{name}-{digest}{_ENDING}"


def kept_arrays(
    folder: Path, name: str, digest: str, build: Callable[[], Arrays], *, wait: bool = True
) -> Arrays | None:
    """The arrays ``name`` of ``folder``, mapped into memory; ``build`` works them out where they are not there.

    Changing an array changes neither the file nor another process's array. Where the folder cannot be written or the
    disk is nearly full, nothing is kept. Without ``wait`` the result is None while another process works them out.
    """
    path = kept_path(folder, name, digest)
    found = _mapped(path)
    if found is not None:
        return found
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    lock = folder / f".{path.stem}.lock"
    with exclusive(lock, wait=wait) as held:
        found = _mapped(path)
        if found is not None:
            return found
        if not held and not wait and lock.exists():
            return None
        built = build()
        if not _keep(built, path):
            return built
        _remove_older(folder, name, path)
        with contextlib.suppress(OSError):  # who waits for it finds the arrays
            lock.unlink()
    return _mapped(path) or built


def kept_file(path: Path, write: Callable[[Path], None]) -> Path:
    """``path``, which ``write`` makes, complete at once, where it is missing; of several processes one does so."""
    if not path.exists():
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock")
        with exclusive(lock):
            if not path.exists():  # another process may have made it meanwhile
                write(path)
                with contextlib.suppress(OSError):
                    lock.unlink()
    return path


def _mapped(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a file; None where it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stream:
            arrays = {name: stream.get_tensor(name).numpy() for name in stream.keys()}
    except (OSError, SafetensorError, ValueError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # the files that are used stay
    return arrays


def _keep(arrays: Arrays, path: Path) -> bool:
    """Write the arrays; False where the folder or the disk does not allow it."""
    from safetensors.numpy import save_file

    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    wanted = sum(array.nbytes for array in arrays.values())
    try:
        if shutil.disk_usage(path.parent).free < wanted + _FREE_BYTES:
            return False
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, temporary)
        temporary.replace(path)
    except Exception as error:  # safetensors has errors of its own for a disk that fills up meanwhile
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) or type(error).__name__ == "SafetensorError":
            return False
        raise
    return True


def _remove_older(folder: Path, name: str, newest: Path) -> None:
    """Remove files of this name beyond the ``_KEPT`` that were used last, and what killed processes left."""

    def unused_s(path: Path) -> float:
        try:
            return time.time() - path.stat().st_mtime
        except OSError:
            return 0.0

    files = [path for path in folder.iterdir() if path.name.startswith(f"{name}-")]
    kept = [path for path in files if path.suffix == _ENDING and len(path.name) == len(newest.name)]
    abandoned = [path for path in files if path.suffix == ".tmp" and unused_s(path) > _ABANDONED_S]
    for path in [*sorted(kept, key=unused_s)[_KEPT:], *abandoned]:
        if path != newest:
            with contextlib.suppress(OSError):  # Windows keeps what another process has mapped
                path.unlink()


__all__ = ["Arrays", "digest_of", "kept_arrays", "kept_file", "kept_path", "user_cache", "versions_of"]
