"""A lock that one process of a machine holds, released by the system when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_LOOK_EVERY_S = 0.05


@contextlib.contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock file ``path`` during the block; yields whether it is held.

    False without ``wait`` while another process holds it, and where no lock file can be written or locked: the block
    then has to do without.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _acquire(descriptor, wait)
    finally:
        os.close(descriptor)  # releases the lock too


def _acquire(descriptor: int, wait: bool) -> bool:
    while True:
        try:
            _lock_at_once(descriptor)
            return True
        except BlockingIOError:
            if not wait:
                return False
            time.sleep(_LOOK_EVERY_S)
        except OSError:
            return False  # a file system without locks


def _lock_at_once(descriptor: int) -> None:
    """Lock the file. Raises BlockingIOError while another process holds it."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
