"""Errors and warnings that a user can act on: one sentence for what is wrong, one hint for what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable

_LONGEST_NAME = 40


class Xray2MRIError(Exception):
    """A failure with a stable code, a one-sentence message and a remedy.

    Parameters
    ----------
    message
        One sentence that names the file or argument and the fault.
    code
        Stable machine-readable word, e.g. ``"unreadable-radiograph"``.
    hint
        What the user can do about it, one sentence; may be empty. It names no command-line option and no button.
    field
        Name of the setting at fault, e.g. ``"roi"``; empty when it is none. Each front end words its own remedy for it:
        the option in the shell, the label in the panel.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str = "failure", hint: str = "", field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.field = field

    def sentence(self) -> str:
        """Message and hint on one line, as printed to stderr."""
        return " ".join(part.strip() for part in (self.message, self.hint) if part.strip())


class InputError(Xray2MRIError):
    """The user's input or arguments cannot be used (command line exit code 2)."""

    exit_code = 2


class ProcessingError(Xray2MRIError):
    """Something failed although the input was acceptable (command line exit code 1)."""


class Cancelled(Xray2MRIError):  # noqa: N818 (not a fault)
    """The user cancelled the job (command line exit code 130)."""

    exit_code = 130

    def __init__(self, message: str = "Cancelled before the volume was complete.") -> None:
        super().__init__(message, code="cancelled")


def check_name(name: str) -> None:
    """Refuse a file name that UTF-8 cannot hold before SimpleITK gets it, which ends the process.

    Such names have bytes of another encoding, or half of a surrogate pair. Raises InputError.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise unusable_name() from None


def unusable_name() -> InputError:
    """The refusal of a file name that UTF-8 cannot hold."""
    return InputError(
        "A file name contains characters that cannot be encoded as UTF-8.",
        code="bad-name",
        hint="Rename the file or folder, and give the new name.",
    )


def refusal_of_system(error: OSError) -> InputError | None:
    """The refusal of a name that the system does not take or open, whatever looked at it; None for other faults."""
    if error.errno not in (errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ELOOP):
        return None
    name = os.path.basename(os.path.normpath(os.fsdecode(error.filename or "")))
    name = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."
    return InputError(
        f"The file or folder {name} cannot be opened: {os.strerror(error.errno)}.",
        code="bad-name",
        hint="Check its name and its permissions.",
    )


class Notice(str):
    """A warning, one sentence or two, that may name the setting to change.

    It is an ordinary string in lists, records and JSON; ``field`` means the same as for Xray2MRIError. An operation on
    the string, such as formatting, loses the field.
    """

    field: str

    def __new__(cls, sentence: str, field: str = "") -> Notice:
        """A sentence with the name of its setting."""
        notice = super().__new__(cls, sentence)
        notice.field = field
        return notice


def fields_of(warnings: Iterable[str]) -> dict[str, str]:
    """Sentence -> name of its setting, for those warnings that name one: what JSON keeps of ``Notice.field``."""
    return {str(warning): warning.field for warning in warnings if isinstance(warning, Notice) and warning.field}
