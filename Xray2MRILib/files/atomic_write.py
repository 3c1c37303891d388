"""Atomic writing of several files: either all of them appear completely, or nothing changes."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from ..errors import InputError, ProcessingError, Xray2MRIError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
_PREFIX = ".xray2mri-"


class AtomicFiles:
    """Context manager for files that are written under temporary names and renamed together at the end.

    ``stage`` returns the temporary path for a target, and the caller writes there. At the end of the block all files
    are flushed to disk and renamed. After a failure or an interrupt the temporary files are removed and existing files
    are unchanged. An OSError inside the block becomes InputError (the path cannot be written) or ProcessingError (code
    ``disk-full`` or ``write-failed``) with one sentence. If an old file cannot be restored, its copy stays on the disk
    and the error (code ``old-file-not-restored``) names it.
    """

    def __init__(self) -> None:
        self._staged: dict[Path, Path] = {}  # target -> temporary file
        self._obsolete: list[Path] = []

    def __enter__(self) -> AtomicFiles:
        return self

    def stage(self, target: Path, ending: str = "") -> Path:
        """A temporary path in the target's folder, ending in ``ending`` (e.g. ".nii.gz") or in the target's suffix."""
        # replace the target of a link, not the link
        target = Path(os.path.realpath(target))
        temporary = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}{ending or target.suffix}")
        self._staged[target] = temporary
        return temporary

    def remove(self, target: Path) -> None:
        """Remove an outdated file at the moment when the new ones appear."""
        self._obsolete.append(Path(os.path.realpath(target)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if fault is None:
                self._commit()
        except OSError as error:
            raise writing_error(error, self._failed_target(error)) from None
        finally:
            for temporary in self._staged.values():
                temporary.unlink(missing_ok=True)
        if isinstance(fault, OSError):
            raise writing_error(fault, self._failed_target(fault)) from None

    def _failed_target(self, error: OSError) -> Path:
        """The target of the failed write, instead of the temporary name in the system's error."""
        named = Path(os.fsdecode(error.filename)).name if error.filename else ""
        for target, temporary in self._staged.items():
            if named in (target.name, temporary.name):
                return target
        return next(iter(self._staged), Path(os.fsdecode(error.filename or "output")))

    def _commit(self) -> None:
        for temporary in self._staged.values():
            _flush(temporary)
        before: dict[Path, Path | None] = {}  # target -> backup of its old content, None if it did not exist
        try:
            for target in [*self._staged, *self._obsolete]:
                before[target] = _back_up(target) if target.exists() else None
            for target, temporary in self._staged.items():
                os.replace(temporary, target)
            for target in self._obsolete:
                target.unlink(missing_ok=True)
        except BaseException as fault:
            stranded = _restore(before)
            if stranded:
                reason = writing_error(fault, self._failed_target(fault)).message if isinstance(fault, OSError) else ""
                raise _restore_error(stranded, reason) from fault
            raise
        for backup in before.values():
            if backup is not None:
                backup.unlink(missing_ok=True)
        for folder in {target.parent for target in self._staged}:
            _flush_folder(folder)


def _back_up(target: Path) -> Path:
    """Back up the old file as a hard link, or as a copy if the file system does not support links."""
    if not target.is_file():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    backup = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}")
    try:
        os.link(target, backup)
    except OSError:
        shutil.copy2(target, backup)
    return backup


def _restore(before: dict[Path, Path | None]) -> dict[Path, Path]:
    """Restore the targets as far as possible; returns the backups that could not be restored."""
    stranded = {}
    for target, backup in before.items():
        try:
            if backup is None:
                target.unlink(missing_ok=True)
            else:
                os.replace(backup, target)
                backup.unlink(missing_ok=True)  # renaming one of two links to the same file does nothing
        except OSError:
            if backup is not None:
                stranded[target] = backup
    return stranded


def _restore_error(stranded: dict[Path, Path], reason: str) -> ProcessingError:
    places = ", ".join(f"the old {target.name} is now {backup}" for target, backup in stranded.items())
    return ProcessingError(
        f"{reason} Restoring the old files failed too: {places}.".strip(),
        code="old-file-not-restored",
        hint="Rename it by hand." if len(stranded) == 1 else "Rename them by hand.",
    )


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Flush a folder, so that renamed files survive a power failure; does nothing if folders cannot be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def check_place(target: Path, needed_bytes: int = 0) -> None:
    """Check that a file can be written, before its content is computed.

    Raises InputError when the folder is missing, is not a folder or is not writable, or when the target is no file;
    ProcessingError (code ``disk-full``) when the disk has less free space than ``needed_bytes``.
    """
    if "\0" in str(target):
        raise InputError("The output name contains a null character.", code="bad-output", hint="Choose another name.")
    folder = target.parent
    try:
        if target.is_dir():
            raise InputError(f"The output {target.name} is a folder.", code="bad-output", hint="Give a file name.")
        if target.exists() and not target.is_file():
            raise InputError(
                f"The output {target.name} is not a regular file.", code="bad-output", hint="Choose another name."
            )
        if not folder.is_dir():
            fault = "is not a folder" if folder.exists() else "does not exist"
            raise InputError(
                f"The output folder {folder} {fault}.", code="bad-output", hint="Create it or choose another one."
            )
        _test_write(Path(os.path.realpath(target)), needed_bytes)
    except OSError as error:
        raise writing_error(error, target) from None


def _test_write(target: Path, needed_bytes: int) -> None:
    """Create a file of the needed size and remove it, to detect a failure before the computation."""
    try:
        os.lstat(target)  # fails for a name that is too long for the file system
        writable = os.access(target, os.W_OK)
    except FileNotFoundError:
        writable = True
    if not writable:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if shutil.disk_usage(target.parent).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    trial = target.with_name(f"{_PREFIX}{secrets.token_hex(8)}")
    descriptor = os.open(trial, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        if needed_bytes and hasattr(os, "posix_fallocate"):
            _reserve(descriptor, needed_bytes)
    finally:
        os.close(descriptor)
        trial.unlink(missing_ok=True)


def _reserve(descriptor: int, needed_bytes: int) -> None:
    """Reserve space, which also detects quotas and size limits that the free space of a disk does not show."""
    try:
        os.posix_fallocate(descriptor, 0, needed_bytes)
    except OSError as error:
        if error.errno in _FULL:
            raise
        # other errors mean that the file system cannot reserve space, which is no evidence of a full disk


def writing_error(error: OSError, target: Path) -> Xray2MRIError:
    """The error with one sentence for a system error while writing a file."""
    if error.errno in _FULL:
        return ProcessingError(
            f"There is not enough disk space for {target.name}.",
            code="disk-full",
            hint="Free some space or write to another disk.",
        )
    if error.errno in _REFUSED:
        return InputError(
            f"The output {target.name} cannot be written: no permission in the folder {target.parent}.",
            code="bad-output",
            hint="Choose a folder with write permission.",
        )
    if error.errno == errno.ENAMETOOLONG:
        return InputError(
            f"The output name {target.name[:40]}... is too long.", code="bad-output", hint="Choose a shorter name."
        )
    if error.errno in (errno.EISDIR, errno.ENOENT, errno.ENOTDIR):
        return InputError(
            f"The output {target.name} cannot be written in {target.parent}: {os.strerror(error.errno)}.",
            code="bad-output",
            hint="Choose another name or folder.",
        )
    reason = os.strerror(error.errno) if error.errno else "unknown fault"
    return ProcessingError(
        f"The file {target.name} could not be written: {reason}.", code="write-failed", hint="Try another disk."
    )
