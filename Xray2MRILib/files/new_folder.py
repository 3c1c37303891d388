"""Atomic writing of a new folder: it appears with all its files or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path
from types import TracebackType

from ..errors import InputError
from .atomic_write import check_place, writing_error


class NewFolder:
    """Context manager that provides a temporary folder next to the target and renames it after the block.

    The target must not exist or must be empty. Raises InputError for a target that contains files, is a file or cannot
    be written, ProcessingError (code ``disk-full`` or ``write-failed``) when writing fails. An OSError in the block
    becomes one of these.
    """

    def __init__(self, folder: str | Path, needed_bytes: int) -> None:
        self.folder = Path(os.path.realpath(folder))
        _check(self.folder, needed_bytes)
        self._temporary = self.folder.with_name(f".xray2mri-{secrets.token_hex(8)}")

    def __enter__(self) -> Path:
        try:
            self._temporary.mkdir()
        except OSError as error:
            raise writing_error(error, self.folder) from None
        return self._temporary

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if fault is None:
                if self.folder.is_dir():
                    self.folder.rmdir()
                os.replace(self._temporary, self.folder)
        except OSError as error:
            raise writing_error(error, self.folder) from None
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)
        if isinstance(fault, OSError):
            raise writing_error(fault, self.folder) from None


def _check(folder: Path, needed_bytes: int) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(
            f"The folder {folder.name} is not empty.", code="bad-output", hint="Choose a new or empty folder."
        )
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"The output {folder.name} is a file, not a folder.", code="bad-output", hint="Choose a new folder."
        )
    check_place(folder.with_name(f".xray2mri-{secrets.token_hex(4)}"), needed_bytes)
