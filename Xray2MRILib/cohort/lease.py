"""Leases: which run has taken which work, so that two runs on one folder share it.

A lease is a small file. It expires when its holder has not renewed it for 15 minutes, or at once when the holder was a
process of this machine that is gone. Should two runs hold the same work all the same, both write the same volume.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from ..files.atomic_write import writing_error

LEASE_S = 900.0
_RENEW_EVERY_S = 60.0


class Leases:
    """The leases of one run in the folder ``leases`` of a cohort."""

    def __init__(self, folder: Path, lease_s: float = LEASE_S) -> None:
        self._folder = folder / "leases"
        self._lease_s = lease_s
        self._holder = {"host": socket.gethostname(), "pid": os.getpid(), "started": _start_of(os.getpid())}
        self._held: dict[str, float] = {}  # key -> time of its last renewal

    def take(self, key: str) -> bool:
        """Take a lease. Returns False when another run holds it. Raises ProcessingError and InputError."""
        path = self._path(key)
        try:
            self._folder.mkdir(exist_ok=True)
            for _ in range(3):
                own = self._write_own(path)
                try:
                    _place_new(own, path)
                except FileExistsError:
                    if not self._break(path):
                        return False
                else:
                    self._held[key] = time.time()
                    return True
                finally:
                    own.unlink(missing_ok=True)
        except OSError as error:
            raise writing_error(error, path) from None
        return False

    def renew(self, key: str) -> None:
        """Tell that the work goes on; writes at most once a minute."""
        if time.time() - self._held.get(key, time.time()) > min(_RENEW_EVERY_S, self._lease_s / 4):
            with contextlib.suppress(OSError):
                own = self._write_own(self._path(key))
                os.replace(own, self._path(key))
            self._held[key] = time.time()

    def give_up(self, key: str) -> None:
        """Remove a lease that this run holds."""
        if self._held.pop(key, None) is not None:
            with contextlib.suppress(OSError):
                self._path(key).unlink()

    def give_up_all(self) -> None:
        """Remove all leases of this run."""
        for key in list(self._held):
            self.give_up(key)

    def is_held_elsewhere(self, key: str) -> bool:
        """Whether another run that is alive holds the lease."""
        return key not in self._held and self._is_alive(_read(self._path(key)))

    def others(self) -> bool:
        """Whether any other run holds a lease."""
        return any(path.stem not in self._held and self._is_alive(_read(path)) for path in self._folder.glob("*.lease"))

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.lease"

    def _write_own(self, path: Path) -> Path:
        own = path.with_name(f".{secrets.token_hex(8)}")
        own.write_text(json.dumps({**self._holder, "expires": time.time() + self._lease_s}), encoding="ascii")
        return own

    def _break(self, path: Path) -> bool:
        """Remove a lease whose holder is gone. Returns False when it is alive."""
        if self._is_alive(_read(path)):
            return False
        # of several runs that see the dead lease one moves it away; a lease that came meanwhile is put back
        aside = path.with_name(f".{secrets.token_hex(8)}")
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return True
        if self._is_alive(_read(aside)):
            with contextlib.suppress(OSError):
                os.link(aside, path)
        aside.unlink(missing_ok=True)
        return True

    def _is_alive(self, lease: dict[str, Any] | None) -> bool:
        if lease is None or time.time() > float(lease.get("expires", 0)):
            return False
        if lease.get("host") != self._holder["host"]:
            return True
        pid = int(lease.get("pid", 0))
        if (pid, lease.get("started")) == (self._holder["pid"], self._holder["started"]):
            return True
        return _is_running(pid) and lease.get("started") == _start_of(pid)


def _place_new(own: Path, path: Path) -> None:
    """Give a written file its name unless the name is taken. Raises FileExistsError and other OSErrors."""
    try:
        os.link(own, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with path.open("x", encoding="ascii") as file:
            file.write(own.read_text(encoding="ascii"))


def _read(path: Path) -> dict[str, Any] | None:
    try:
        lease = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return lease if isinstance(lease, dict) else None


def _is_running(pid: int) -> bool:
    if os.name != "posix":
        return True  # only the expiry tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _start_of(pid: int) -> str:
    """When a process began, in the system's own unit: a number is given to another process later. "" where unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return "ended" if fields[0] == "Z" else fields[19]
    except (OSError, IndexError):
        return ""
